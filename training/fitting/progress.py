"""The progress bar of a training, with its speed and its latest metrics."""

from collections.abc import Sequence
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.fitting.result import EpochMetrics
from training.recipe import Recipe


class TrainingProgress:
    """A bar over all steps, and one line printed after each epoch. Used as a context manager."""

    def __init__(self, recipe: Recipe, steps_per_epoch: int, history: Sequence[EpochMetrics]) -> None:
        self._recipe, self._metrics = recipe, _describe(history)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[metrics]}"),
        )
        self._bar = self._progress.add_task(
            recipe.name,
            total=recipe.epochs * steps_per_epoch,
            completed=len(history) * steps_per_epoch,
            metrics=self._metrics,
        )

    def __enter__(self) -> "TrainingProgress":
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def end_step(self) -> None:
        """Move the bar by one batch."""
        self._progress.advance(self._bar)
        if steps_per_s := self._progress.tasks[self._bar].speed:
            speed = f"{steps_per_s * self._recipe.batch_size:,.0f} images/s"
            self._progress.update(self._bar, metrics=f"{speed}  {self._metrics}")

    def end_epoch(self, history: Sequence[EpochMetrics]) -> None:
        """Print the metrics of the epoch that has just ended."""
        self._metrics = _describe(history)
        self._progress.console.print(
            f"{self._recipe.name}  epoch {len(history)}/{self._recipe.epochs}  {self._metrics}"
        )


def _describe(history: Sequence[EpochMetrics]) -> str:
    if not history:
        return ""
    last = history[-1]
    return (
        f"loss {last.train_loss:.4f}  validation {last.validation_loss:.4f}"
        f"  metric {last.validation_metric:.4f}"
    )
