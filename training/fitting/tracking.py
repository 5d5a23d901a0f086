"""Every training as an MLflow run: its parameters, its curves, and the metrics of the exported file.

Runs go to the folder runs/mlflow, or to wherever MLFLOW_TRACKING_URI points.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Set before the import: MLflow sends usage statistics otherwise.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# Plain files need no database; MLflow keeps that store on request only.
os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")

import mlflow

from models.card import Card
from training.fitting.result import EpochMetrics
from training.recipe import Recipe

EXPERIMENT = "glimpse"
LOGGED_PARAMS = (
    "data", "epochs", "batch_size", "learning_rate", "weight_decay", "label_smoothing", "patience",
    "pages", "seed",
)  # fmt: skip
"""The fields of a Recipe that are numbers or names; the others are code."""


@contextmanager
def tracked(recipe: Recipe, runs: Path) -> Iterator[None]:
    """One MLflow run around a training; it is marked as failed where the block raises."""
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri or (runs / "mlflow").absolute().as_uri())
    try:
        mlflow.set_experiment(EXPERIMENT)
        with mlflow.start_run(run_name=f"{recipe.name}, seed {recipe.seed}"):
            params = {"model": recipe.name} | {name: getattr(recipe, name) for name in LOGGED_PARAMS}
            mlflow.log_params(params | {f"hint_{name}": weight for name, weight in recipe.hints.items()})
            yield
    finally:
        if uri is None:
            # MLflow has put its address into the environment, where the next run would take it from.
            mlflow.set_tracking_uri(None)


def log_epoch(epoch: EpochMetrics) -> None:
    """One point of each curve."""
    mlflow.log_metrics(
        {
            "train_loss": epoch.train_loss,
            "train_metric": epoch.train_metric,
            "validation_loss": epoch.validation_loss,
            "validation_metric": epoch.validation_metric,
        },
        step=epoch.epoch,
    )


def log_card(card: Card) -> None:
    """The metrics of the exported file, and its version."""
    mlflow.set_tag("version", card.version)
    mlflow.log_metrics(card.measured.values)
