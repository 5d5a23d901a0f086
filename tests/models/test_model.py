"""The zoo: the files of the repository are what they say, and nothing else gets in."""

import json
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest

from models.card import METADATA_KEY, read_card
from models.model import ZOO, ZooError, find_model_files, open_model
from training.data import sources
from training.data.synthetic.outliers import draw_outliers
from training.evaluation.evaluate import evaluate
from training.export.drift_reference import reference
from training.recipes import PUBLISHED

ALL = [path.stem for path in find_model_files(ZOO)]


def test_the_published_models_are_there():
    assert set(ALL) == set(PUBLISHED)


@pytest.mark.parametrize("name", ALL)
def test_model_answers_as_its_card_promises(name):
    model = open_model(ZOO / f"{name}.onnx")
    count = 3
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
def test_answers_do_not_depend_on_the_batch(name):
    model = open_model(ZOO / f"{name}.onnx")
    pixels = np.random.default_rng(1).integers(0, 256, (5, *model.card.view.shape), np.uint8)
    together = model(pixels)
    for index in range(len(pixels)):
        for output, values in model(pixels[index : index + 1]).items():
            np.testing.assert_allclose(values[0], together[output][index], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_file_is_small_self_contained_and_anonymous(name):
    path = ZOO / f"{name}.onnx"
    graph = onnx.load(path, load_external_data=False)

    assert path.stat().st_size < 25e6
    assert path.with_suffix(".md").exists()
    assert not any(tensor.external_data for tensor in graph.graph.initializer)
    assert b"/training/" not in path.read_bytes()


FLOORS = {"digits-linear": 0.924, "digits-mlp": 0.990, "digits-cnn": 0.995, "fashion-cnn": 0.92}


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_classifiers_reach_their_floor_on_the_whole_test_split(name, floor, data):
    model = open_model(ZOO / f"{name}.onnx")
    trained_on = model.card.training.name
    splits = sources.load(trained_on, model.card.view, data)
    strange = draw_outliers(trained_on, model.card.view, 300, seed=3, root=data)
    found = evaluate(model, splits, strange)
    measured, usual = found.measured, model.card.reference

    assert measured.n == 10_000
    assert measured.values["accuracy"] >= floor
    assert measured.values["accuracy"] == pytest.approx(model.card.measured.values["accuracy"], abs=5e-4)
    # What drift is measured against is how it answers.
    again = reference(model.card, found.outputs, measured.data)
    assert (usual.data, usual.n) == (measured.data, measured.n)
    assert usual.classes == pytest.approx(again.classes, abs=1e-3)
    for then, now in ((usual.confidence, again.confidence), (usual.familiarity, again.familiarity)):
        assert then.edges == pytest.approx(now.edges, abs=1e-4)
        assert then.shares == pytest.approx(now.shares, abs=5e-3)


@pytest.mark.parametrize("name", ["cars-mlp", "cars-cnn", "cars-transfer"])
def test_cars_beat_the_constant_median(name):
    measured = open_model(ZOO / f"{name}.onnx").card.measured

    assert measured.values["median_ape"] < measured.baseline["median_ape"]


@pytest.mark.parametrize("name", ["cars-mlp", "cars-cnn", "cars-transfer"])
def test_cars_know_how_they_usually_answer(name):
    card = open_model(ZOO / f"{name}.onnx").card

    assert (card.reference.data, card.reference.n) == (card.measured.data, card.measured.n)
    assert card.reference.prices.shares == pytest.approx([0.1] * 10, abs=5e-3)
    assert card.reference.familiarity.shares == pytest.approx([0.1] * 10, abs=5e-3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": (0.5, 0.5)}, "2 shares, not one per label"),
        ({"classes": (0.2,) * 10}, "the shares sum to 2"),
        ({"classes": (-0.1, 0.3, *(0.1,) * 8)}, "greater than or equal to 0"),
        ({"confidence": {"edges": (0.9, 0.9), "shares": (0.2, 0.3, 0.5)}}, "the edges do not increase"),
        ({"confidence": {"edges": (0.9,), "shares": (0.2, 0.3, 0.5)}}, "1 edges make 2 bins"),
        ({"n": 0}, "greater than 0"),
    ],
)
def test_a_card_with_an_impossible_reference_is_refused(copied, change, message):
    path, graph = copied
    prop = card_of(graph)
    card = json.loads(prop.value)
    card["reference"] |= change
    prop.value = json.dumps(card)
    onnx.save(graph, path)

    with pytest.raises(ZooError, match=message):
        open_model(path)


def test_a_file_of_before_there_were_references_opens(copied):
    path, graph = copied
    prop = card_of(graph)
    card = json.loads(prop.value)
    del card["reference"]
    prop.value = json.dumps(card)
    onnx.save(graph, path)

    assert open_model(path).card.reference is None


@pytest.fixture
def copied(tmp_path):
    """A folder with a copy of digits-linear that a test may spoil, and its graph."""
    path = tmp_path / "digits-linear.onnx"
    shutil.copy(ZOO / path.name, path)
    return path, onnx.load(path)


def card_of(graph):
    return next(prop for prop in graph.metadata_props if prop.key == METADATA_KEY)


def test_a_file_without_a_card_is_refused(copied):
    path, graph = copied
    del graph.metadata_props[:]
    onnx.save(graph, path)

    with pytest.raises(ZooError, match="carries no card"):
        open_model(path)


def test_a_file_with_a_broken_card_is_refused(copied):
    path, graph = copied
    card_of(graph).value = '{"name": "digits-linear"}'
    onnx.save(graph, path)

    with pytest.raises(ZooError, match="not valid"):
        open_model(path)


def test_a_file_under_another_name_is_refused(copied):
    path, _ = copied
    renamed = path.rename(path.with_name("digits-best.onnx"))

    with pytest.raises(ZooError, match=r"name the file digits-linear\.onnx"):
        open_model(renamed)


def test_a_file_with_other_weights_is_refused(copied):
    path, graph = copied
    weights = max(graph.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weights.raw_data = bytes(len(weights.raw_data))
    onnx.save(graph, path)

    with pytest.raises(ZooError, match="differently"):
        open_model(path)


def test_a_card_with_another_view_is_refused(copied):
    path, graph = copied
    prop = card_of(graph)
    card = read_card(prop.value)
    view = card.view.model_copy(update={"size": 32})
    prop.value = card.model_copy(update={"view": view}).model_dump_json()
    onnx.save(graph, path)

    with pytest.raises(ZooError, match="its view makes"):
        open_model(path)


def test_no_onnx_file_is_refused(tmp_path):
    path = tmp_path / "digits-linear.onnx"
    path.write_bytes(b"not a model")

    with pytest.raises(ZooError, match="does not open"):
        open_model(path)


def test_listing_the_zoo():
    listed = subprocess.run([sys.executable, "-m", "models"], capture_output=True, text=True, check=True)

    for name in ALL:
        assert name in listed.stdout
    assert "uint8 (N, 28, 28, 1)" in listed.stdout


def test_listing_names_what_it_refuses(copied):
    path, _ = copied
    path.rename(path.with_name("other.onnx"))
    listed = subprocess.run(
        [sys.executable, "-m", "models", str(path.parent)], capture_output=True, text=True
    )

    assert listed.returncode == 1
    assert "refused: other.onnx" in listed.stderr
