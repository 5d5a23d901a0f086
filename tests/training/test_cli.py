"""`python -m training`: its commands in this process, and once as a process of its own."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from loadtests.server import REPO
from models.image.views import PhotoView
from models.model import open_model
from tests.training.conftest import FEW
from training.__main__ import app
from training.course.tools.offline_run import find_runs, read_run
from training.fitting.tracking import is_installed
from training.networks.architectures import cars_mlp
from training.recipes import RECIPES

pytestmark = pytest.mark.slow

TINY = replace(
    RECIPES["drawn-cars"],
    name="tiny-cars", view=PhotoView(resize=16, crop=16), network=partial(cars_mlp, 16), epochs=5, floors={},
)  # fmt: skip


def training(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.fixture(scope="module", autouse=True)
def tiny_cars():
    """A recipe that trains in a second, exported with few outliers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, TINY.name, TINY)
        patch.setattr("training.cli.steps.PUBLISHED_OPTIONS", FEW)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        yield


@pytest.fixture(scope="module")
def trained(tiny_cars, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A folder with zoo/tiny-cars.onnx and runs/, and what `train` printed."""
    folder = tmp_path_factory.mktemp("trained")
    return folder, training("train", TINY.name, *options(folder, data))


def options(folder: Path, data: Path) -> tuple[object, ...]:
    return "--data", data, "--zoo", folder / "zoo", "--runs", folder / "runs"


def test_train_writes_the_model_and_its_page(trained):
    folder, done = trained

    assert done.exit_code == 0, done.output
    assert "images/s" in done.stdout
    assert open_model(folder / "zoo" / "tiny-cars.onnx").card.reference is not None
    assert (folder / "zoo" / "tiny-cars.md").exists()


def test_export_again_writes_the_same_card(trained, data):
    folder, _ = trained
    first = open_model(folder / "zoo" / "tiny-cars.onnx").card
    done = training("export", TINY.name, *options(folder, data))

    assert done.exit_code == 0, done.output
    assert open_model(folder / "zoo" / "tiny-cars.onnx").card == first


def test_evaluate_measures_what_the_card_says(trained, data):
    folder, _ = trained
    done = training("evaluate", TINY.name, *options(folder, data))

    assert done.exit_code == 0, done.output
    assert "median_ape" in done.stdout
    written = json.loads((folder / "runs" / "tiny-cars" / "evaluation.json").read_text())
    assert written["values"] == open_model(folder / "zoo" / "tiny-cars.onnx").card.measured.values


@pytest.mark.parametrize("option", ["--outliers", "--strange"])
def test_evaluate_measures_a_folder_of_outliers(trained, data, tmp_path, option):
    folder, _ = trained
    Image.fromarray(np.full((60, 60, 3), 200, np.uint8)).save(tmp_path / "grey.png")
    done = training("evaluate", TINY.name, *options(folder, data), option, tmp_path)

    assert done.exit_code == 0, done.output
    written = json.loads((folder / "runs" / "tiny-cars" / "evaluation.json").read_text())
    assert written["refused"][str(tmp_path)] in (0, 1)


def test_reference_writes_the_same_card(trained, data):
    folder, _ = trained
    first = open_model(folder / "zoo" / "tiny-cars.onnx").card
    done = training("reference", TINY.name, *options(folder, data)[:4])

    assert done.exit_code == 0, done.output
    assert open_model(folder / "zoo" / "tiny-cars.onnx").card == first


def test_report_draws_plots_and_links_them(trained, data, tmp_path):
    folder, _ = trained
    done = training("report", TINY.name, *options(folder, data), "--pictures", tmp_path)

    assert done.exit_code == 0, done.output
    page = (folder / "zoo" / "tiny-cars.md").read_text()
    for name in ("curves", "prices", "examples"):
        with Image.open(tmp_path / "tiny-cars" / f"{name}.png") as picture:
            assert picture.width > 300
        assert f"tiny-cars/{name}.png)" in page


def test_every_training_is_a_tracked_run(trained, data, tmp_path, monkeypatch):
    """In a local folder, and wherever MLFLOW_TRACKING_URI points."""
    folder, _ = trained
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "elsewhere").as_uri())
    done = training("train", TINY.name, *options(tmp_path, data))

    assert done.exit_code == 0, done.output
    for store in (folder / "runs" / "mlflow", tmp_path / "elsewhere"):
        assert len(list(store.rglob("artifacts/gallery.json"))) == 1
        curves = list(store.rglob("metrics/validation_loss"))
        assert len(curves) == 1
        assert len(curves[0].read_text().splitlines()) == 5
        assert (curves[0].parent / "median_ape").exists()
        assert (curves[0].parent.parent / "params" / "learning_rate").exists()
    assert not (tmp_path / "runs" / "mlflow").exists()


def test_a_training_is_recorded_where_it_is_asked_for(data, tmp_path, monkeypatch):
    done = training("train", TINY.name, "--track", "none", *options(tmp_path, data))

    assert done.exit_code == 0, done.output
    assert [path.name for path in (tmp_path / "runs").iterdir()] == [TINY.name]

    monkeypatch.setattr("training.fitting.tracking.find_spec", lambda package: None)
    done = training("train", TINY.name, "--track", "wandb", *options(tmp_path / "none", data))
    assert done.exit_code == 1
    assert done.stderr.startswith("error: Weights & Biases is not installed: ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "none").exists()


def test_a_training_is_recorded_by_wandb(data, tmp_path, monkeypatch):
    """Curves, the metrics of the card and a gallery whose pictures may be shown: they are drawn."""
    if not is_installed("wandb"):
        pytest.skip("wandb is not installed: .venv-dev/bin/python -m pip install wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    done = training("train", TINY.name, "--track", "wandb", *options(tmp_path, data))

    assert done.exit_code == 0, done.output
    (folder,) = find_runs(tmp_path / "runs" / "wandb")
    run = read_run(folder)
    card = open_model(tmp_path / "zoo" / "tiny-cars.onnx").card
    assert run.exit_code == 0
    assert run.curve("validation_loss") == pytest.approx(card.curves["validation_loss"], rel=1e-4)
    assert run.summary["version"] == card.version
    assert run.summary["median_ape"] == card.measured.values["median_ape"]
    assert len({row["picture"] for row in run.tables["gallery"]}) == 20
    row = run.tables["gallery"][0]
    assert row["absolute error"] == pytest.approx(abs(row["actual"] - row["predicted"]))


def test_crossvalidate_prints_errors(data):
    done = training(
        "crossvalidate", TINY.name, "--folds", 3, "--only", 0, "--epochs", 1, "--limit", 200, "--data", data
    )

    assert done.exit_code == 0, done.output
    assert "fold" in done.stdout
    assert "median_ape" in done.stdout


def test_an_error_is_one_line():
    """In a real process, as a user sees it."""
    done = subprocess.run(
        [sys.executable, "-m", "training", "train", "digits-transformer"],
        cwd=REPO, capture_output=True, text=True, timeout=300,
    )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr.startswith("error: No recipe for digits-transformer; there are")
    assert "Traceback" not in done.stderr


def test_missing_photos_are_named(tmp_path):
    done = training("train", "cars-cnn", "--data", tmp_path)

    assert done.exit_code == 1
    assert "prices.csv" in done.stderr
    assert "Traceback" not in done.stderr
