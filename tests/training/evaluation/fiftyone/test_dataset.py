"""A FiftyOne dataset on disk: what stands in it, and the command that writes it."""

import base64
import io
import json
import zlib

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.support.images import pictures
from tests.training.evaluation.fiftyone.conftest import write
from training.__main__ import app
from training.evaluation.fiftyone.dataset import read_samples


@pytest.mark.parametrize("name", ["digits", "cars"])
def test_the_pictures_are_what_the_network_sees(name, request):
    written = request.getfixturevalue(name)
    samples = read_samples(written.folder)

    assert len(samples) == len(written.examples)
    for sample, pixels in zip(samples, written.examples.pixels, strict=True):
        path = written.folder / sample["filepath"]
        with Image.open(path) as picture:
            assert np.array_equal(np.asarray(picture), pixels.squeeze())
            assert (sample["metadata"]["width"], sample["metadata"]["height"]) == picture.size
        assert sample["metadata"]["size_bytes"] == path.stat().st_size


def test_classes_with_confidence_logits_and_familiarity(digits):
    probabilities = digits.outputs["probabilities"]
    samples = read_samples(digits.folder)
    wrong = [sample["index"] for sample in samples if not sample["correct"]]

    assert wrong == np.flatnonzero(probabilities.argmax(axis=1) != digits.examples.targets).tolist()
    assert len(wrong) > 0
    threshold = digits.model.card.familiarity_threshold
    for sample, row, true in zip(samples, probabilities, digits.examples.targets, strict=True):
        assert sample["ground_truth"]["label"] == str(true)
        assert sample["prediction"]["label"] == str(row.argmax())
        assert sample["prediction"]["confidence"] == row.max()
        assert sample["error"] == pytest.approx(1 - row[true])
        assert sample["familiar"] == (sample["familiarity"] >= threshold)
        assert np.exp(logits(sample)) == pytest.approx(row, abs=1e-6)


def logits(sample):
    packed = base64.b64decode(sample["prediction"]["logits"]["$binary"]["base64"])
    return np.load(io.BytesIO(zlib.decompress(packed)))


def test_prices_with_interval_errors_and_group(cars):
    value, low, high = (cars.outputs[name].astype(float) for name in ("value", "low", "high"))
    samples = read_samples(cars.folder)

    for index, sample in enumerate(samples):
        price = float(cars.examples.targets[index])
        assert sample["ground_truth"]["value"] == price
        assert sample["prediction"]["value"] == value[index]
        assert (sample["low"], sample["high"]) == (low[index], high[index])
        assert sample["inside"] == (low[index] <= price <= high[index])
        assert sample["absolute_error"] == pytest.approx(abs(value[index] - price))
        assert sample["relative_error"] == pytest.approx(abs(value[index] / price - 1))
    assert [sample["group"] for sample in samples] == [f"g{index}" for index in range(6)]
    assert [sample["maker"] for sample in samples] == ["a", "b", None, None, "c", "d"]
    assert json.loads((cars.folder / "metadata.json").read_text())["info"]["unit"] == "USD"


def test_the_same_answers_are_the_same_files_and_ids_differ(digits, tmp_path):
    again = write(tmp_path, "digits-linear", digits.examples)

    for name in ("samples.json", "metadata.json", "data/00007.png"):
        assert (again.folder / name).read_bytes() == (digits.folder / name).read_bytes()
    samples = read_samples(digits.folder)
    ids = [sample[field]["_id"]["$oid"] for sample in samples for field in ("ground_truth", "prediction")]
    ids += [sample["_id"]["$oid"] for sample in samples]
    assert len(set(ids)) == 3 * len(samples)
    assert all(0 <= sample["_rand"] < 1 for sample in samples)


def training(*arguments: object):
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_the_command_spreads_its_pictures_over_the_split(data, tmp_path):
    done = training("fiftyone", "digits-linear", "--data", data, "--limit", 20, "--to", tmp_path)

    assert done.exit_code == 0, done.output
    assert "fiftyone app launch digits-linear-mnist-test" in done.output
    assert len(read_samples(tmp_path)) == len(list((tmp_path / "data").iterdir())) == 20
    assert len({sample["ground_truth"]["label"] for sample in read_samples(tmp_path)}) > 5


def test_the_command_takes_pictures_with_labels(tmp_path):
    (tmp_path / "7.png").write_bytes(pictures.encoded(pictures.digit(7)))
    (tmp_path / "labels.csv").write_text("file,label\n7.png,7\n")
    done = training(
        "fiftyone", "digits-cnn", "--pictures", tmp_path / "labels.csv", "--to", tmp_path / "dataset"
    )

    assert done.exit_code == 0, done.output
    (sample,) = read_samples(tmp_path / "dataset")
    assert sample["ground_truth"]["label"] == sample["prediction"]["label"] == "7"
    assert sample["tags"] == ["pictures"]


def test_the_command_takes_pictures_with_prices(tmp_path):
    """Those with an estimated price too, in the order of the table."""
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(pictures.encoded(pictures.landscape(60, 40)))
    (tmp_path / "prices.csv").write_text(
        "file,price,group,price_source\nb.png,20000,kia|rio,\na.png,9000,fiat|500,manual_approx\n"
    )
    done = training(
        "fiftyone", "cars-mlp", "--pictures", tmp_path / "prices.csv", "--to", tmp_path / "dataset"
    )

    assert done.exit_code == 0, done.output
    samples = read_samples(tmp_path / "dataset")
    assert [sample["ground_truth"]["value"] for sample in samples] == [20_000, 9_000]
    assert [sample["group"] for sample in samples] == ["kia|rio", "fiat|500"]
    assert [sample["price_source"] for sample in samples] == [None, "manual_approx"]


def test_the_command_names_what_it_lacks(tmp_path):
    done = training("fiftyone", "digits-transformer", "--to", tmp_path)

    assert done.exit_code == 1
    assert done.stderr.startswith("error: ")
    assert "digits-transformer" in done.stderr
    assert len(done.stderr.splitlines()) == 1
