"""A folder of pictures with a table of prices: the way to train on your own cars.

The table is a CSV file beside the pictures with the columns `file` (relative to the table) and
`price` (a positive number), and optionally `group` (what must not be on both sides of a split: a car
model, best as maker|model), `class_name` (maker, model, body, year), `year`, and `price_source`. Rows
whose price_source is an estimate are trained on and never measured on.
"""

import csv
import hashlib
import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import track

from models.image.decode import PictureError, open_picture
from models.image.views import View
from training.data.splits import DataError, Examples, Splits

log = logging.getLogger(__name__)

ESTIMATES = frozenset({"manual_approx"})
"""Values of price_source that mark a guess instead of a published price."""

HELD_OUT = {"test": 0.10, "calibration": 0.12, "validation": 0.04}
"""Fractions of the groups. Early stopping needs few, interval coverage and metrics need more."""

FACTS = ("maker", "body", "table", "price_source")
"""Fields of a Row that become Examples.facts."""

BODIES = ("convertible", "coupe", "sedan", "suv", "hatchback", "wagon", "minivan", "van", "cab")
"""Body styles as a class_name spells them; a cab is a pickup."""

MAX_LISTED_PROBLEMS = 20


@dataclass(frozen=True)
class Row:
    """One picture of the table.

    Attributes:
        group: What must not be on both sides of a split.
        price: Greater than 0.
        file: The picture.
        year: None where unknown.
        price_source: Where the price comes from, empty where unknown.
        table: Name of the folder of the table.
        body: One of BODIES, or empty.
    """

    group: str
    price: float
    file: Path = Path()
    year: int | None = None
    price_source: str = ""
    table: str = ""
    body: str = ""

    @property
    def maker(self) -> str:
        """The part of `group` before the bar of maker|model; empty where there is no bar."""
        maker, bar, _ = self.group.partition("|")
        return maker if bar else ""


def price_table(tables: Sequence[Path], view: View) -> Splits:
    """Read one or more tables and their pictures, split by group across all of them.

    Raises:
        DataError: Lists the offending lines: missing or unreadable pictures, prices that are no positive
            numbers, fewer than two groups.
    """
    rows, problems = _read_all(tables)
    if len({row.group for row in rows}) < 2 and not problems:
        problems.append("fewer than two groups: a price can only be tested on car models not trained on")
    _raise_if_any(problems)
    return split_by_group("cars", rows, _pixels(rows, view), "third-party photos, for research")


def priced(table: Path, view: View) -> Examples:
    """All pictures of a table, those with an estimated price too, in its order.

    Raises:
        DataError: Lists the offending lines.
    """
    rows, problems = _read_all([table])
    _raise_if_any(problems)
    return _examples(rows, _pixels(rows, view))


def split_by_group(name: str, rows: Sequence[Row], pixels: npt.NDArray[np.uint8], licence: str) -> Splits:
    """Splits with each group in one part, by the hash of its name (decision 0006).

    With fewer than four groups, validation, calibration and test are the same pictures.

    Args:
        name: Of the data set.
        rows: N of them.
        pixels: uint8 (N, H, W, C).
        licence: Of the pictures.

    Raises:
        DataError: A part has no picture with a real price.
    """
    everything = _examples(rows, pixels)
    groups = everything.groups
    assert groups is not None
    measured = np.array([row.price_source not in ESTIMATES for row in rows])
    names = in_hash_order(groups)
    if len(names) < 4:
        log.warning("%s: %d groups; validation and test share pictures", name, len(names))
        held_out = dict.fromkeys(HELD_OUT, names[:1])
    else:
        left = iter(names)
        held_out = {
            part: list(islice(left, max(round(fraction * len(names)), 1)))
            for part, fraction in HELD_OUT.items()
        }
    parts = {
        part: everything[np.flatnonzero(np.isin(groups, members) & measured)]
        for part, members in held_out.items()
    }
    parts["train"] = everything[np.flatnonzero(~np.isin(groups, list(chain(*held_out.values()))))]
    for part, examples in parts.items():
        if len(examples) == 0:
            raise DataError(f"{name}: no picture with a real price is left for {part}.")
    return Splits(name, **parts, licence=licence)


def in_hash_order(groups: Iterable[str]) -> list[str]:
    """Each group once, by the hash of its name: added data moves no group."""
    return sorted(set(groups), key=lambda group: hashlib.sha256(group.encode()).digest())


def _examples(rows: Sequence[Row], pixels: npt.NDArray[np.uint8]) -> Examples:
    facts = {fact: np.array([getattr(row, fact) for row in rows]) for fact in FACTS}
    return Examples(
        pixels, np.array([row.price for row in rows]), np.array([row.group for row in rows]), facts
    )


def _pixels(rows: Sequence[Row], view: View) -> npt.NDArray[np.uint8]:
    """The pictures of the rows, uint8 (N, H, W, C). Raises DataError with those that do not open."""
    problems: list[str] = []
    pixels = np.empty((len(rows), *view.shape), np.uint8)
    for index, row in enumerate(track(rows, "reading pictures")):
        try:
            pixels[index] = view(open_picture(row.file.read_bytes(), view.shorter_side))
        except PictureError as error:
            problems.append(f"{row.file}: {error}")
    _raise_if_any(problems)
    return pixels


def _read_all(tables: Sequence[Path]) -> tuple[list[Row], list[str]]:
    """The rows of all tables, and what is wrong with their other lines."""
    rows: list[Row] = []
    problems: list[str] = []
    for table in tables:
        table_rows, table_problems = _read(table)
        rows += table_rows
        problems += table_problems
    return rows, problems


def _read(table: Path) -> tuple[list[Row], list[str]]:
    """The rows of a table, and what is wrong with its other lines."""
    if not table.is_file():
        return [], [f"{table}: there is no such table"]
    rows: list[Row] = []
    problems: list[str] = []
    with table.open(newline="", encoding="utf-8-sig") as file:
        lines = csv.DictReader(file)
        missing = {"file", "price"} - set(lines.fieldnames or ())
        if missing:
            return [], [f"{table}:1: the columns {', '.join(sorted(missing))} are missing"]
        for line in lines:
            where = f"{table}:{lines.line_num}"
            try:
                rows.append(_row(table.parent, line))
            except ValueError as error:
                problems.append(f"{where}: {error}")
    if not rows and not problems:
        problems.append(f"{table}: the table is empty")
    return rows, problems


def _row(folder: Path, line: dict[str, str | None]) -> Row:
    """The row of a line. Raises ValueError with what is wrong with it."""
    file = folder / (line["file"] or "")
    if not file.is_file():
        raise ValueError(f"{line['file']!r} is missing")
    try:
        price = float(line["price"] or "")
    except ValueError:
        raise ValueError(f"the price {line['price']!r} is not a number") from None
    if not (math.isfinite(price) and price > 0):
        raise ValueError(f"the price {line['price']!r} is not positive")
    year = (line.get("year") or "").strip()
    if year and not year.isdigit():
        raise ValueError(f"the year {year!r} is not a number")
    return Row(
        group=line.get("group") or str(file),
        price=price,
        file=file,
        year=int(year) if year else None,
        price_source=line.get("price_source") or "",
        table=folder.name,
        body=next((body for body in BODIES if body in (line.get("class_name") or "").lower()), ""),
    )


def _raise_if_any(problems: list[str]) -> None:
    if problems:
        listed = "\n  ".join(problems[:MAX_LISTED_PROBLEMS])
        more = len(problems) - MAX_LISTED_PROBLEMS
        rest = f"\n  and {more} more" if more > 0 else ""
        raise DataError(f"These lines have to be mended before training starts:\n  {listed}{rest}")
