"""The terminal: where commands print to, and how warnings and errors look there."""

import logging
from typing import Any

import typer
from rich.console import Console
from rich.logging import RichHandler
from typer.core import TyperGroup

console = Console()

EXPECTED = frozenset(
    {
        "models.model.ZooError",
        "training.data.splits.DataError",
        "training.export.verification.ExportError",
        "training.fitting.tracking.TrackingError",
    }
)
"""Errors whose message says what to do. By name: importing them all would import torch."""


class ErrorsInOneLine(TyperGroup):
    """Commands whose expected errors end the program with one line instead of a traceback."""

    def invoke(self, ctx: typer.Context) -> Any:
        """Run the command; exit code 1 where its data, its model or its files are at fault."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if not is_expected(error):
                raise
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from None


def is_expected(error: Exception) -> bool:
    """Whether an error, or what it is a kind of, is one of EXPECTED."""
    return any(f"{kind.__module__}.{kind.__qualname__}" in EXPECTED for kind in type(error).__mro__)


def configure_logging() -> None:
    """Send log records to the terminal, those of the chatty exporter from warnings on."""
    handler = RichHandler(console=console, show_path=False, show_time=False)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
    for chatty in ("onnxscript", "onnx_ir"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
