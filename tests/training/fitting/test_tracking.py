"""What is recorded of a training, in MLflow and in Weights & Biases, offline."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.course.tools.offline_run import OfflineRun, find_runs, read_run
from training.fitting import tracking
from training.fitting.result import EpochMetrics
from training.fitting.tracking import Tool, TrackingError, is_installed, require, tracked
from training.fitting.tracking.answers import Exhibit, TestAnswers
from training.recipes import RECIPES

RECIPE = replace(RECIPES["digits-linear"], seed=7)
EPOCHS = [EpochMetrics(epoch, 1 / epoch, 0.5, 2 / epoch, 0.1 * epoch) for epoch in range(1, 5)]
PIXELS = np.arange(28 * 28, dtype=np.uint8).reshape(28, 28, 1)
ANSWERS = TestAnswers(
    gallery=[Exhibit(PIXELS, "b", "c", 0.75), Exhibit(None, "a", "b", 0.5)],
    labels=("a", "b", "c"),
    actual=np.array([0, 1, 1, 2]),
    predicted=np.array([0, 2, 1, 2]),
)
PRICES = TestAnswers([Exhibit(None, 9_000.0, 9_900.0, 900.0)], (), np.zeros(0, int), np.zeros(0, int))
CONFUSION = [[1, 0, 0], [0, 1, 1], [0, 0, 1]]


class Stop(Exception):
    """A training that fails."""


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """W&B without an account, without a network and without a folder in the user's home."""
    if not is_installed("wandb"):
        pytest.skip("wandb is not installed: .venv-dev/bin/python -m pip install wandb")
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def record(tool: Tool, runs: Path, answers: TestAnswers = ANSWERS) -> None:
    with tracked(tool, RECIPE, runs) as tracker:
        assert tracker is not None
        for epoch in EPOCHS:
            tracker.log_epoch(epoch)
        tracker.log_answers(answers)


def read(runs: Path) -> OfflineRun:
    (folder,) = find_runs(runs / "wandb")
    return read_run(folder)


def test_confusion_counts_true_class_by_answered_class():
    assert ANSWERS.confusion.tolist() == CONFUSION


@pytest.mark.slow
def test_wandb_records_parameters_and_curves(offline, tmp_path):
    record(Tool.WANDB, tmp_path)
    run = read(tmp_path)

    assert (run.name, run.exit_code) == ("digits-linear, seed 7", 0)
    assert run.config["model"] == "digits-linear"
    assert (run.config["seed"], run.config["learning_rate"]) == (7, RECIPE.learning_rate)
    for name in ("train_loss", "train_metric", "validation_loss", "validation_metric"):
        assert run.curve(name) == [getattr(epoch, name) for epoch in EPOCHS]
    assert [row["epoch"] for row in run.history if "train_loss" in row] == [1, 2, 3, 4]


@pytest.mark.slow
def test_wandb_records_confusion_and_a_gallery_with_pictures(offline, tmp_path):
    record(Tool.WANDB, tmp_path)
    run = read(tmp_path)

    confusion = {
        (row["Actual"], row["Predicted"]): row["nPredictions"] for row in run.tables["confusion_table"]
    }
    assert [[confusion[true, told] for told in "abc"] for true in "abc"] == CONFUSION
    rows = run.tables["gallery"]
    assert [tuple(row[column] for column in ("actual", "predicted", "absolute error")) for row in rows] == [
        ("b", "c", 0.75),
        ("a", "b", 0.5),
    ]
    assert rows[1]["picture"] is None
    picture = rows[0]["picture"]
    assert picture.is_relative_to(tmp_path / "wandb")
    with Image.open(picture) as shown:
        assert np.array_equal(np.asarray(shown), PIXELS.squeeze())


@pytest.mark.slow
def test_wandb_records_prices(offline, tmp_path):
    record(Tool.WANDB, tmp_path, PRICES)
    run = read(tmp_path)

    assert run.tables.keys() == {"gallery"}
    assert run.tables["gallery"][0]["absolute error"] == 900


@pytest.mark.slow
def test_wandb_marks_a_failed_run_and_writes_nothing_at_home(offline, tmp_path, capfd):
    with pytest.raises(Stop), tracked(Tool.WANDB, RECIPE, tmp_path):
        raise Stop

    assert read(tmp_path).exit_code == 1
    assert "Traceback" not in capfd.readouterr().err
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
def test_wandb_without_a_login_says_what_to_do(offline, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(TrackingError, match=r"wandb login.*WANDB_MODE=offline"), \
            tracked(Tool.WANDB, RECIPE, tmp_path):  # fmt: skip
        pass


def test_mlflow_records_curves_confusion_and_gallery(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    record(Tool.MLFLOW, tmp_path)

    (losses,) = (tmp_path / "mlflow").rglob("metrics/validation_loss")
    assert [float(line.split()[1]) for line in losses.read_text().splitlines()] == [2, 1, 2 / 3, 0.5]
    (confusion,) = (tmp_path / "mlflow").rglob("artifacts/confusion.json")
    assert json.loads(confusion.read_text()) == {"labels": ["a", "b", "c"], "confusion": CONFUSION}
    (gallery,) = (tmp_path / "mlflow").rglob("artifacts/gallery.json")
    assert json.loads(gallery.read_text())["gallery"][0] == {
        "actual": "b",
        "predicted": "c",
        "absolute_error": 0.75,
    }


def test_nothing_is_recorded_where_none_is_asked_for(tmp_path):
    with tracked(Tool.NONE, RECIPE, tmp_path) as tracker:
        assert tracker is None

    assert not list(tmp_path.iterdir())


def test_a_tool_that_is_missing_is_named_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(tracking, "find_spec", lambda package: None)
    with pytest.raises(
        TrackingError, match=r"^Weights & Biases is not installed: .+pip install wandb` gets it\.$"
    ):
        require(Tool.WANDB)
    require(Tool.MLFLOW)


def test_a_folder_of_runs_is_no_package(monkeypatch, tmp_path):
    """W&B writes to a folder wandb; Python would take one in the working folder for a package."""
    (tmp_path / "a_folder_of_runs").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    assert not is_installed("a_folder_of_runs")
    assert is_installed("numpy")
