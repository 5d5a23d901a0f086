"""`python -m training`, as its users call it."""

import json
import os
import subprocess
import sys

from PIL import Image

from loadtests.server import REPO
from models.model import open_model


def training(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "training", *map(str, arguments)],
        cwd=REPO, capture_output=True, text=True, timeout=300, env=os.environ | environment,
    )  # fmt: skip


def test_train_export_and_evaluate(tmp_path, data):
    options = ("--data", data, "--zoo", tmp_path / "zoo", "--runs", tmp_path / "runs")
    trained = training("train", "drawn-cars", "--epochs", 6, *options)
    assert trained.returncode == 0, trained.stderr
    first = open_model(tmp_path / "zoo" / "drawn-cars.onnx").card
    again = training("export", "drawn-cars", *options)
    assert again.returncode == 0, again.stderr
    evaluated = training("evaluate", "drawn-cars", *options)
    referred = training("reference", "drawn-cars", *options[:4])
    pictures = tmp_path / "pictures"
    reported = training("report", "drawn-cars", *options, "--pictures", pictures)

    assert referred.returncode == 0, referred.stderr
    assert first.reference is not None
    assert "images/s" in trained.stdout
    assert (tmp_path / "zoo" / "drawn-cars.md").exists()
    assert open_model(tmp_path / "zoo" / "drawn-cars.onnx").card == first
    assert evaluated.returncode == 0, evaluated.stderr
    assert "median_ape" in evaluated.stdout
    written = json.loads((tmp_path / "runs" / "drawn-cars" / "evaluation.json").read_text())
    assert written["values"] == first.measured.values
    assert reported.returncode == 0, reported.stderr
    page = (tmp_path / "zoo" / "drawn-cars.md").read_text()
    for name in ("curves", "prices", "examples"):
        with Image.open(pictures / "drawn-cars" / f"{name}.png") as picture:
            assert picture.width > 300
        assert f"drawn-cars/{name}.png)" in page


def test_every_training_is_a_tracked_run(tmp_path, data):
    """In a local folder, and wherever MLFLOW_TRACKING_URI points."""
    runs, zoo, elsewhere = (tmp_path / name for name in ("runs", "zoo", "elsewhere"))
    options = ("--epochs", 5, "--data", data, "--zoo", zoo, "--runs", runs)
    here = training("train", "drawn-cars", *options)
    assert here.returncode == 0, here.stderr
    there = training("train", "drawn-cars", *options, MLFLOW_TRACKING_URI=elsewhere.as_uri())
    assert there.returncode == 0, there.stderr

    for folder in (runs / "mlflow", elsewhere):
        curves = list(folder.rglob("metrics/validation_loss"))
        assert len(curves) == 1
        assert len(curves[0].read_text().splitlines()) == 5
        assert (curves[0].parent / "median_ape").exists()
        assert (curves[0].parent.parent / "params" / "learning_rate").exists()


def test_crossvalidation_on_the_command_line():
    done = training("crossvalidate", "drawn-cars", "--folds", 3, "--only", 0, "--epochs", 1, "--limit", 200)

    assert done.returncode == 0, done.stderr
    assert "fold" in done.stdout
    assert "median_ape" in done.stdout


def test_what_is_wrong_is_said_in_one_line(tmp_path):
    unknown = training("train", "digits-transformer")
    no_photos = training("train", "cars-cnn", "--data", tmp_path)

    assert unknown.returncode == no_photos.returncode == 1
    assert "error: No recipe for digits-transformer; there are" in unknown.stderr
    assert "prices.csv" in no_photos.stderr
    assert "Traceback" not in unknown.stderr + no_photos.stderr


def test_every_command_has_help():
    for command in ("fetch", "train", "export", "evaluate", "reference", "report", "crossvalidate"):
        assert command in training(command, "--help").stdout
