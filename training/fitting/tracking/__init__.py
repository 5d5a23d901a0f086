"""What is kept of every training, and where: MLflow, Weights & Biases, or nowhere.

A record holds the recipe's parameters, a point of each curve per epoch, the metrics of the exported file, and
how that file answered its test split: the confusion matrix, and a gallery of its worst answers.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from models.card import Card
    from training.fitting.result import EpochMetrics
    from training.fitting.tracking.answers import TestAnswers
    from training.recipe import Recipe


class TrackingError(Exception):
    """A training cannot be recorded where it was asked to be; the message says what to do."""


class Tool(StrEnum):
    """Where trainings are recorded."""

    MLFLOW = "mlflow"
    WANDB = "wandb"
    NONE = "none"


class Tracker(Protocol):
    """The record of one training while it is written."""

    def log_epoch(self, epoch: "EpochMetrics") -> None:
        """One point of each curve."""

    def log_card(self, card: "Card") -> None:
        """The metrics of the exported file, and its version."""

    def log_answers(self, answers: "TestAnswers") -> None:
        """How the exported file answered its test split."""


Start = Callable[["Recipe", Path], AbstractContextManager[Tracker]]
"""What the module of a tool has as `start`: a record that is open within the block."""


@contextmanager
def tracked(tool: Tool, recipe: "Recipe", runs: Path) -> Iterator[Tracker | None]:
    """A record around a training, None for Tool.NONE; where the block raises, it is marked as failed.

    Args:
        tool: Which record.
        recipe: What is trained.
        runs: The folder in which tools keep what they do not send elsewhere.

    Raises:
        TrackingError: The tool is not installed, or does not start.
    """
    if tool is Tool.NONE:
        yield None
        return
    require(tool)
    # A tool is imported when it is asked for: either takes a second.
    start = cast(Start, import_module(f"{__name__}.{tool}").start)
    with start(recipe, runs) as tracker:
        yield tracker


def require(tool: Tool) -> None:
    """Find out before a training of hours whether it can be recorded.

    Raises:
        TrackingError: The tool is not installed.
    """
    if tool is Tool.WANDB and not is_installed("wandb"):
        raise TrackingError(
            "Weights & Biases is not installed: `.venv-dev/bin/python -m pip install wandb` gets it."
        )


def is_installed(package: str) -> bool:
    """Whether a package can be imported. A folder of the same name, such as wandb's own of runs, is none."""
    spec = find_spec(package)
    return spec is not None and spec.origin is not None
