"""A FiftyOne dataset on disk: what stands in it, and what the real package makes of it."""

import base64
import io
import json
import os
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from loadtests.server import REPO
from models.card import Outputs
from models.model import ZOO, Model, open_model
from tests.support.images import pictures
from training.__main__ import app
from training.data.splits import Examples, Splits
from training.data.synthetic.cars import draw, draw_model
from training.evaluation.evaluate import predict
from training.evaluation.fiftyone.dataset import read_samples, write_dataset

ENVIRONMENT = REPO / ".venv-fiftyone"
GET = "make .venv-fiftyone/ready"
MONGOD = "lib/python3*/site-packages/fiftyone/db/bin/mongod"


@dataclass(frozen=True)
class Written:
    """A dataset on disk, and what it was made of."""

    folder: Path
    model: Model
    examples: Examples
    outputs: Outputs


def write(folder: Path, name: str, examples: Examples) -> Written:
    model = open_model(ZOO / f"{name}.onnx")
    outputs = predict(model, examples.pixels)
    write_dataset(folder, name, model.card, "a-set", "test", examples, outputs)
    return Written(folder, model, examples, outputs)


@pytest.fixture(scope="module")
def digits(mnist: Splits, tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write(tmp_path_factory.mktemp("digits"), "digits-linear", mnist.test[:300])


@pytest.fixture(scope="module")
def cars(tmp_path_factory: pytest.TempPathFactory) -> Written:
    view = open_model(ZOO / "cars-mlp.onnx").card.view
    rng = np.random.default_rng(5)
    pixels = np.stack([view(np.asarray(draw(draw_model(rng), rng))) for _ in range(6)])
    facts = {"maker": np.array(["a", "b", "", "", "c", "d"])}
    prices = np.array([9_000.0, 18_000, 27_000, 36_000, 45_000, 90_000.5])
    examples = Examples(pixels, prices, np.array([f"g{index}" for index in range(6)]), facts)
    return write(tmp_path_factory.mktemp("cars"), "cars-mlp", examples)


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


READ = """
import json, sys
from pathlib import Path
import fiftyone
from training.evaluation.fiftyone.dataset import register
answers = {}
for name in ("digits", "cars"):
    folder = Path(sys.argv[1]) / name
    for time in range(2):
        register(folder.resolve(), name)
    dataset = fiftyone.load_dataset(name)
    kind = fiftyone.types.FiftyOneDataset
    dataset.export(export_dir=str(Path(sys.argv[1]) / (name + "-again")), dataset_type=kind, progress=False)
    key = "label" if name == "digits" else "value"
    answers[name] = {
        "size": len(dataset),
        "persistent": dataset.persistent,
        "truth": dataset.values(f"ground_truth.{key}"),
        "predictions": dataset.values(f"prediction.{key}"),
        "unfamiliar": len(dataset.match(fiftyone.ViewField("familiar") == False)),
        "pictures": [Path(path).is_file() for path in dataset.values("filepath")],
    }
digits = fiftyone.load_dataset("digits")
answers["digits"]["logits"] = [row.tolist() for row in digits.values("prediction.logits")]
results = digits.evaluate_classifications("prediction", gt_field="ground_truth")
answers["digits"]["accuracy"] = results.metrics()["accuracy"]
results = fiftyone.load_dataset("cars").evaluate_regressions("prediction", gt_field="ground_truth")
answers["cars"]["mae"] = results.metrics()["mean_absolute_error"]
Path(sys.argv[1], "answers.json").write_text(json.dumps(answers, default=float))
"""


@pytest.fixture(scope="module")
def read_by_fiftyone(digits: Written, cars: Written, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the real package read, and what it wrote of it again."""
    if not (ENVIRONMENT / "bin" / "python").exists():
        pytest.skip(f"fiftyone is not installed: {GET}")
    if not any(ENVIRONMENT.glob(MONGOD)) and "FIFTYONE_DATABASE_URI" not in os.environ:
        pytest.skip("mongod is not installed: make .venv-fiftyone/ready")
    folder = tmp_path_factory.mktemp("fiftyone")
    for name, written in (("digits", digits), ("cars", cars)):
        (folder / name).symlink_to(written.folder)
    environment = os.environ | {
        "HOME": str(folder),
        "FIFTYONE_DO_NOT_TRACK": "true",
        "FIFTYONE_DATABASE_DIR": str(folder / "database"),
        "FIFTYONE_DATABASE_VALIDATION": "false",
    }
    done = subprocess.run(
        [ENVIRONMENT / "bin" / "python", "-c", READ, folder],
        cwd=REPO, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "cars"])
def test_fiftyone_reads_and_writes_every_field_again(name, read_by_fiftyone, request):
    written = request.getfixturevalue(name)
    again = read_by_fiftyone / f"{name}-again"
    own = ("_dataset_id", "created_at", "last_modified_at")
    samples = [
        {field: value for field, value in sample.items() if field not in own}
        for sample in read_samples(again)
    ]

    assert samples == read_samples(written.folder)
    ours, theirs = (json.loads((folder / "metadata.json").read_text()) for folder in (written.folder, again))
    assert theirs["info"] == ours["info"]
    assert theirs["default_classes"] == ours["default_classes"]
    declared = {field["name"]: field["ftype"] for field in theirs["sample_fields"]}
    assert {field["name"]: field["ftype"] for field in ours["sample_fields"]}.items() <= declared.items()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "cars"])
def test_fiftyone_sees_what_was_meant(name, read_by_fiftyone, request):
    written = request.getfixturevalue(name)
    answers = json.loads((read_by_fiftyone / "answers.json").read_text())[name]

    assert answers["size"] == len(written.examples)
    assert answers["persistent"]
    assert all(answers["pictures"])
    threshold = written.model.card.familiarity_threshold
    assert answers["unfamiliar"] == (written.outputs["familiarity"] < threshold).sum()
    targets = written.examples.targets
    if name == "cars":
        value = written.outputs["value"].astype(float)
        assert answers["truth"] == targets.tolist()
        assert answers["predictions"] == value.tolist()
        assert answers["mae"] == pytest.approx(np.abs(value - targets).mean())
        return
    probabilities = written.outputs["probabilities"]
    assert answers["truth"] == [str(target) for target in targets]
    assert answers["predictions"] == [str(told) for told in probabilities.argmax(axis=1)]
    assert np.exp(answers["logits"]) == pytest.approx(probabilities, abs=1e-6)
    assert answers["accuracy"] == pytest.approx((probabilities.argmax(axis=1) == targets).mean())
