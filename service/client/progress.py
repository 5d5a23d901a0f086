"""The progress bar on standard error, and what is said there otherwise."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import rich.progress
from rich.console import Console

WAITS_BEFORE_SAYING_SO_AGAIN = 20
"""Where there is no bar, each reason to wait is told once and then at every so many waits."""


class Progress:
    """How many pictures are done; a bar where standard error is a terminal that is free for it."""

    def __init__(self, total: int | None, with_bar: bool) -> None:
        """Prepare the bar.

        Args:
            total: Pictures; None where that is not known.
            with_bar: Whether nothing else writes to the terminal.
        """
        self._console = Console(stderr=True, highlight=False)
        self._with_bar = with_bar and sys.stderr.isatty()
        columns = (
            rich.progress.BarColumn(),
            rich.progress.MofNCompleteColumn(),
            rich.progress.TimeRemainingColumn(),
            rich.progress.TextColumn("{task.description}", markup=False),
        )
        self._bar = rich.progress.Progress(
            *columns,
            console=self._console,
            transient=True,
            redirect_stdout=False,
            disable=not self._with_bar,
        )
        self._task = self._bar.add_task("", total=total)
        self._told: dict[str, int] = {}

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def advance(self) -> None:
        """One more is done."""
        self._bar.update(self._task, advance=1, description="")

    def waiting(self, reason: str) -> None:
        """Say why nothing happens."""
        if self._with_bar:
            self._bar.update(self._task, description=reason)
            return
        waits = self._told[reason] = self._told.get(reason, 0) + 1
        if waits % WAITS_BEFORE_SAYING_SO_AGAIN == 1:
            self.say(f"Waiting: {reason}")

    def say(self, text: str) -> None:
        """Print a sentence on standard error."""
        self._console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The bar is away meanwhile."""
        self._bar.stop()
        yield
        if self._with_bar:
            self._bar.start()
