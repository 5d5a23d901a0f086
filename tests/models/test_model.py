"""Models: the repository's files are what their cards say; no others open."""

import shutil
import subprocess
import sys
from functools import cache

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from loadtests.server import REPO
from models.__main__ import main
from models.card import read_card
from models.model import ZOO, ZooError, find_model_files, is_model_file, open_model
from tests.support.models.corrupted import card_entry
from training.data import mnist
from training.evaluation.evaluate import predict
from training.export.drift_reference import reference
from training.recipes import PUBLISHED

ALL = [path.stem for path in find_model_files(ZOO)]
CARS = ["cars-mlp", "cars-cnn", "cars-transfer"]


@cache
def zoo_model(name):
    """A model of the repository on one thread, opened once for all tests."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return open_model(ZOO / f"{name}.onnx", options=options)


def test_all_published_models_exist():
    assert set(ALL) == set(PUBLISHED)


@pytest.mark.parametrize("name", ALL)
def test_outputs_have_the_shapes_and_ranges_of_the_card(name):
    model, count = zoo_model(name), 3
    pixels = np.random.default_rng(0).integers(0, 256, (count, *model.card.view.shape), np.uint8)
    outputs = model(pixels)

    assert set(outputs) == set(model.card.outputs)
    assert all(values.dtype == np.float32 and len(values) == count for values in outputs.values())
    assert np.all((outputs["familiarity"] >= 0) & (outputs["familiarity"] <= 1))
    if model.card.task == "classification":
        assert outputs["probabilities"].shape == (count, len(model.card.labels))
        np.testing.assert_allclose(outputs["probabilities"].sum(axis=1), 1, atol=1e-5)
    else:
        assert np.all((outputs["low"] <= outputs["value"]) & (outputs["value"] <= outputs["high"]))
        assert np.all(outputs["low"] > 0)


@pytest.mark.parametrize("name", ALL)
def test_outputs_do_not_depend_on_the_batch(name):
    model = zoo_model(name)
    pixels = np.random.default_rng(1).integers(0, 256, (5, *model.card.view.shape), np.uint8)
    batch = model(pixels)
    for index in range(len(pixels)):
        for output, values in model(pixels[index : index + 1]).items():
            np.testing.assert_allclose(values[0], batch[output][index], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_file_is_small_self_contained_and_anonymous(name):
    path = ZOO / f"{name}.onnx"
    graph = onnx.load(path, load_external_data=False)

    assert path.stat().st_size < 25e6
    assert path.with_suffix(".md").exists()
    assert not any(tensor.external_data for tensor in graph.graph.initializer)
    assert b"/training/" not in path.read_bytes()


@cache
def viewed_test_split(fetch, view, root):
    """Pixels and targets of a whole test split, each picture through the view."""
    test = fetch(root).test
    return np.stack([view(np.repeat(picture, 3, axis=2)) for picture in test.pixels]), test.targets


@pytest.mark.parametrize(
    ("name", "fetch", "floor"),
    [
        ("digits-linear", mnist.mnist, 0.924),
        ("digits-mlp", mnist.mnist, 0.990),
        pytest.param("digits-cnn", mnist.mnist, 0.995, marks=pytest.mark.slow),
        pytest.param("fashion-cnn", mnist.fashion_mnist, 0.92, marks=pytest.mark.slow),
    ],
)
def test_accuracy_and_reference_on_the_whole_test_split(name, fetch, floor, data):
    model = zoo_model(name)
    measured, stored = model.card.measured, model.card.reference
    pixels, targets = viewed_test_split(fetch, model.card.view, data)
    outputs = predict(model, pixels)
    accuracy = float((outputs["probabilities"].argmax(axis=1) == targets).mean())
    computed = reference(model.card, outputs, measured.data)

    assert len(pixels) == measured.n == stored.n == 10_000
    assert accuracy >= floor
    assert accuracy == pytest.approx(measured.values["accuracy"], abs=5e-4)
    assert stored.data == measured.data
    assert stored.classes == pytest.approx(computed.classes, abs=1e-3)
    for histogram, again in (
        (stored.confidence, computed.confidence),
        (stored.familiarity, computed.familiarity),
    ):
        assert histogram.edges == pytest.approx(again.edges, abs=1e-4)
        assert histogram.shares == pytest.approx(again.shares, abs=5e-3)


@pytest.mark.parametrize("name", CARS)
def test_cars_beat_the_constant_median(name):
    measured = zoo_model(name).card.measured

    assert measured.values["median_ape"] < measured.baseline["median_ape"]


@pytest.mark.parametrize("name", CARS)
def test_cars_carry_a_reference_by_deciles(name):
    card = zoo_model(name).card

    assert (card.reference.data, card.reference.n) == (card.measured.data, card.measured.n)
    assert card.reference.prices.shares == pytest.approx([0.1] * 10, abs=5e-3)
    assert card.reference.familiarity.shares == pytest.approx([0.1] * 10, abs=5e-3)


@pytest.fixture
def copied(tmp_path):
    """A copy of digits-linear to corrupt: its path and its graph."""
    path = tmp_path / "digits-linear.onnx"
    shutil.copy(ZOO / path.name, path)
    return path, onnx.load(path)


def test_missing_card_is_refused(copied):
    path, graph = copied
    del graph.metadata_props[:]
    onnx.save(graph, path)

    with pytest.raises(ZooError, match="carries no card"):
        open_model(path)


def test_incomplete_card_is_refused(copied):
    path, graph = copied
    card_entry(graph).value = '{"name": "digits-linear"}'
    onnx.save(graph, path)

    with pytest.raises(ZooError, match="not valid"):
        open_model(path)


def test_file_named_unlike_its_card_is_refused(copied):
    path, _ = copied
    renamed = path.rename(path.with_name("digits-best.onnx"))

    with pytest.raises(ZooError, match=r"name the file digits-linear\.onnx"):
        open_model(renamed)


def test_changed_weights_are_refused(copied):
    path, graph = copied
    weights = max(graph.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weights.raw_data = bytes(len(weights.raw_data))
    onnx.save(graph, path)

    with pytest.raises(ZooError, match="differently"):
        open_model(path)


def test_card_with_another_view_is_refused(copied):
    path, graph = copied
    entry = card_entry(graph)
    card = read_card(entry.value)
    view = card.view.model_copy(update={"size": 32})
    entry.value = card.model_copy(update={"view": view}).model_dump_json()
    onnx.save(graph, path)

    with pytest.raises(ZooError, match="its view makes"):
        open_model(path)


def test_other_bytes_are_refused(tmp_path):
    path = tmp_path / "digits-linear.onnx"
    path.write_bytes(b"not a model")

    with pytest.raises(ZooError, match="does not open"):
        open_model(path)


def test_hidden_and_other_files_are_not_listed(tmp_path):
    names = ["b.onnx", "a.onnx", ".a.123.onnx", ".onnx", "a.md", "a.onnx.part", "c.ONNX"]
    for name in names:
        (tmp_path / name).touch()

    assert [path.name for path in find_model_files(tmp_path)] == ["a.onnx", "b.onnx"]
    assert sorted(filter(is_model_file, names)) == ["a.onnx", "b.onnx"]


def test_listing_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(ZooError, match="MODELS_DIR"):
        find_model_files(tmp_path / "none")


def test_command_lists_the_zoo(capsys):
    assert main(ZOO) == 0
    listed = capsys.readouterr().out

    assert all(name in listed for name in ALL)
    assert "uint8 (N, 28, 28, 1)" in listed


def test_command_names_refused_files(copied):
    path, _ = copied
    path.rename(path.with_name("other.onnx"))
    command = [sys.executable, "-m", "models", str(path.parent)]
    ended = subprocess.run(command, cwd=REPO, capture_output=True, text=True)

    assert ended.returncode == 1
    assert "refused: other.onnx" in ended.stderr
