"""A training as an MLflow run, in the folder runs/mlflow or wherever MLFLOW_TRACKING_URI points."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

# Set before the import: MLflow sends usage statistics otherwise.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# Plain files need no database; MLflow keeps that store on request only.
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")

import mlflow

from models.card import Card
from training.fitting.result import EpochMetrics
from training.fitting.tracking.answers import TestAnswers
from training.fitting.tracking.parameters import PROJECT, parameters, title
from training.recipe import Recipe


class MlflowTracker:
    """The active MLflow run."""

    def log_epoch(self, epoch: EpochMetrics) -> None:
        """One point of each curve."""
        curves = asdict(epoch)
        step = curves.pop("epoch")
        mlflow.log_metrics(curves, step=step)

    def log_card(self, card: Card) -> None:
        """The metrics of the exported file, and its version."""
        mlflow.set_tag("version", card.version)
        mlflow.log_metrics(card.measured.values)

    def log_answers(self, answers: TestAnswers) -> None:
        """The confusion matrix and the gallery, as JSON; MLflow shows no pictures in tables."""
        if answers.labels:
            confusion = {"labels": list(answers.labels), "confusion": answers.confusion.tolist()}
            mlflow.log_dict(confusion, "confusion.json")
        columns = ("actual", "predicted", "absolute_error")
        rows = [{column: getattr(exhibit, column) for column in columns} for exhibit in answers.gallery]
        mlflow.log_dict({"gallery": rows}, "gallery.json")


@contextmanager
def start(recipe: Recipe, runs: Path) -> Iterator[MlflowTracker]:
    """One MLflow run around a training; it is marked as failed where the block raises."""
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri or (runs / "mlflow").absolute().as_uri())
    try:
        mlflow.set_experiment(PROJECT)
        with mlflow.start_run(run_name=title(recipe)):
            mlflow.log_params(parameters(recipe))
            yield MlflowTracker()
    finally:
        if uri is None:
            # MLflow has put its address into the environment, where the next run would take it from.
            mlflow.set_tracking_uri(None)
