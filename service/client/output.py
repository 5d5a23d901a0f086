"""What the client prints: results as JSON lines, as CSV or as a table, each row as soon as it is known."""

import csv
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import StrEnum
from typing import Any, Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

Row = Mapping[str, Any]
"""A result by the names of its columns; a row with `error` has no others but the path."""

PAGE_ROWS = 500
"""Of one table; a table is printed when it is full."""


PIPE_WIDTH = 250
"""Of tables that do not go to a terminal."""


class Format(StrEnum):
    """How results are printed."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"


class Rows(Protocol):
    """Takes results, one after the other."""

    def write(self, row: Row) -> None:
        """Print a result, or keep it for the next table."""

    def close(self) -> None:
        """Print what was kept."""


class JsonLines:
    """One JSON object on each line, with all that the service answered."""

    def write(self, row: Row) -> None:
        """Print a result."""
        print(json.dumps(row), flush=True)

    def close(self) -> None:
        """Nothing was kept."""


class CsvRows:
    """A line for each result, below one with the names of the columns."""

    def __init__(self, columns: Sequence[str]) -> None:
        # A path whose bytes are no text comes out as it came in.
        sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
        self._writer = csv.DictWriter(sys.stdout, columns, extrasaction="ignore", lineterminator="\n")
        self._writer.writeheader()

    def write(self, row: Row) -> None:
        """Print a result."""
        self._writer.writerow(row)
        sys.stdout.flush()

    def close(self) -> None:
        """Nothing was kept."""


class Tables:
    """Tables of PAGE_ROWS rows each."""

    def __init__(self, columns: Sequence[str], paused: Callable[[], AbstractContextManager[Any]]) -> None:
        """Begin without rows.

        Args:
            columns: Of the tables.
            paused: A context in which nothing else writes to the terminal.
        """
        self._columns, self._paused = columns, paused
        self._rows: list[Row] = []

    def write(self, row: Row) -> None:
        """Keep a result, and print the table that it fills."""
        self._rows.append(row)
        if len(self._rows) == PAGE_ROWS:
            self.close()

    def close(self) -> None:
        """Print the rows that were kept."""
        if self._rows:
            with self._paused():
                print_table(self._columns, self._rows)
            self._rows = []


def print_table(columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Print one table; columns that no row has are left out."""
    shown = [column for column in columns if any(row.get(column) is not None for row in rows)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    numbers = {column for column in shown if all(_is_number(row.get(column)) for row in rows)}
    for column in shown:
        table.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    for row in rows:
        style = "red" if "error" in row else ""
        table.add_row(*(Text(_cell(row.get(column))) for column in shown), style=style)
    # A file or a pipe has no width, and lines must not be folded for one.
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _cell(value: object) -> str:
    """Text without control characters, which a terminal would obey."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = f"{value:,.0f}" if isinstance(value, float) and value >= 1000 else str(value)
    return "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
