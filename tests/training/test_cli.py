"""`python -m training`, as its users call it."""

import subprocess
import sys

from loadtests.server import REPO
from models.zoo import open_model


def training(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "training", *map(str, arguments)],
        cwd=REPO, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


def test_train_export_and_evaluate(tmp_path, data):
    options = ("--data", data, "--zoo", tmp_path / "zoo", "--runs", tmp_path / "runs")
    trained = training("train", "drawn-cars", "--epochs", 6, *options)
    assert trained.returncode == 0, trained.stderr
    first = open_model(tmp_path / "zoo" / "drawn-cars.onnx").card
    again = training("export", "drawn-cars", *options)
    assert again.returncode == 0, again.stderr
    evaluated = training("evaluate", "drawn-cars", "--data", data, "--zoo", tmp_path / "zoo")

    assert "images/s" in trained.stdout
    assert (tmp_path / "zoo" / "drawn-cars.md").exists()
    assert open_model(tmp_path / "zoo" / "drawn-cars.onnx").card == first
    assert evaluated.returncode == 0, evaluated.stderr
    assert "median_ape" in evaluated.stdout


def test_what_is_wrong_is_said_in_one_line(tmp_path):
    unknown = training("train", "digits-transformer")
    no_photos = training("train", "cars-cnn", "--data", tmp_path)

    assert unknown.returncode == no_photos.returncode == 1
    assert "error: No recipe for digits-transformer; there are" in unknown.stderr
    assert "prices.csv" in no_photos.stderr
    assert "Traceback" not in unknown.stderr + no_photos.stderr


def test_every_command_has_help():
    for command in ("fetch", "train", "evaluate", "export"):
        assert command in training(command, "--help").stdout
