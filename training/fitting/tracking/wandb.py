"""A training as a run of Weights & Biases, in runs/wandb and, where one is logged in, on its server.

WANDB_MODE=offline needs no account; `wandb sync FOLDER` sends what was written later.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

# Set before the import: crashes of W&B are reported to its makers otherwise.
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")

import wandb

from models.card import Card
from training.fitting.result import EpochMetrics
from training.fitting.tracking import TrackingError
from training.fitting.tracking.answers import TestAnswers
from training.fitting.tracking.parameters import PROJECT, parameters, title
from training.recipe import Recipe

log = logging.getLogger(__name__)

COLUMNS = ("picture", "actual", "predicted", "absolute error")
"""Of the gallery."""

FOLDERS = {"WANDB_DATA_DIR": "data", "WANDB_CACHE_DIR": "cache"}
"""Where pictures wait to be sent, and W&B's own cache: in the user's home unless these are set."""


class WandbTracker:
    """An open run of W&B."""

    def __init__(self, run: wandb.Run) -> None:
        self._run = run
        run.define_metric("epoch", hidden=True)
        for split in ("train", "validation"):
            run.define_metric(f"{split}_*", step_metric="epoch")

    def log_epoch(self, epoch: EpochMetrics) -> None:
        """One point of each curve."""
        self._run.log(asdict(epoch))

    def log_card(self, card: Card) -> None:
        """The metrics of the exported file, and its version: the summary of the run."""
        self._run.summary.update({"version": card.version, **card.measured.values})

    def log_answers(self, answers: TestAnswers) -> None:
        """The confusion matrix, and the gallery as a table with pictures."""
        if answers.labels:
            matrix = wandb.plot.confusion_matrix(
                y_true=answers.actual.tolist(),
                preds=answers.predicted.tolist(),
                class_names=list(answers.labels),
                title="confusion matrix of the test split",
            )
            self._run.log({"confusion": matrix})
        rows = [
            (
                None if exhibit.pixels is None else wandb.Image(exhibit.pixels.squeeze()),
                exhibit.actual,
                exhibit.predicted,
                exhibit.absolute_error,
            )
            for exhibit in answers.gallery
        ]
        self._run.log({"gallery": wandb.Table(columns=list(COLUMNS), data=rows)})


@contextmanager
def start(recipe: Recipe, runs: Path) -> Iterator[WandbTracker]:
    """One run of W&B around a training; it is marked as failed where the block raises.

    Raises:
        TrackingError: Nobody is logged in, or the server does not answer.
    """
    home = runs.absolute() / "wandb"
    home.mkdir(parents=True, exist_ok=True)
    unset = [name for name in FOLDERS if name not in os.environ]
    os.environ.update({name: str(home / FOLDERS[name]) for name in unset})
    # No source code, no output of the terminal: a run is what it learned and how well.
    exit_code = 1
    settings = wandb.Settings(console="off", disable_code=True, disable_git=True, silent=True)
    try:
        try:
            run = wandb.init(
                project=PROJECT,
                name=title(recipe),
                config=parameters(recipe),
                dir=runs.absolute(),
                settings=settings,
                reinit="finish_previous",
            )
        except wandb.errors.Error as error:
            raise TrackingError(
                f"Weights & Biases does not start ({error}): run `wandb login`, or set WANDB_MODE=offline."
            ) from None
        log.info("recorded at %s", run.settings.sync_dir if run.offline else run.url)
        try:
            yield WandbTracker(run)
            exit_code = 0
        finally:
            run.finish(exit_code)
    finally:
        # Its service writes on after `finish`; when it has ended, the record is whole.
        wandb.teardown(exit_code)
        for name in unset:
            del os.environ[name]
