"""A folder of pictures with a table of prices: how anybody brings their own cars.

The table is a CSV file beside the pictures with the columns `file` (relative to the table) and
`price` (a positive number), and optionally `group` (what must not be on both sides of a split: a car
model), `year`, and `price_source`. Rows whose price_source is an estimate are trained on and never
measured on.
"""

import csv
import hashlib
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import track

from models.picture import PictureError, open_picture
from models.views import View
from training.datasets import DataError, Examples, Splits

log = logging.getLogger(__name__)

ESTIMATES = frozenset({"manual_approx"})
"""Values of price_source that are somebody's guess."""

HELD_OUT = 0.12
"""Share of the groups in each of validation, calibration and test."""

LISTED_PROBLEMS = 20


@dataclass(frozen=True)
class Row:
    """One picture of the table. year: None where unknown. estimate: the price is a guess."""

    group: str
    price: float
    file: Path = Path()
    year: int | None = None
    estimate: bool = False


def price_table(tables: Sequence[Path], view: View) -> Splits:
    """Read one or more tables and their pictures, split by group across all of them.

    Raises DataError before any training, listing the offending lines: missing or unreadable
    pictures, prices that are no positive numbers, fewer than two groups.
    """
    rows: list[Row] = []
    problems: list[str] = []
    for table in tables:
        read, wrong = _read(table)
        rows += read
        problems += wrong
    if len({row.group for row in rows}) < 2 and not problems:
        problems.append("fewer than two groups: a price can only be tested on car models not trained on")
    _refuse(problems)
    pixels = np.empty((len(rows), *view.shape), np.uint8)
    for index, row in enumerate(track(rows, "reading pictures")):
        try:
            pixels[index] = view(open_picture(row.file.read_bytes(), view.shorter_side))
        except PictureError as error:
            problems.append(f"{row.file}: {error}")
    _refuse(problems)
    return split_by_group("cars", rows, pixels, "third-party photos, for research")


def split_by_group(name: str, rows: Sequence[Row], pixels: npt.NDArray[np.uint8], licence: str) -> Splits:
    """Whole groups go to one part, by the hash of their name: adding data moves no group.

    Where there are fewer than four groups, validation, calibration and test are the same pictures.
    """
    groups = np.array([row.group for row in rows])
    everything = Examples(pixels, np.array([row.price for row in rows]), groups)
    measured = np.array([not row.estimate for row in rows])
    names = sorted(set(groups), key=lambda group: hashlib.sha256(group.encode()).digest())
    held = max(round(HELD_OUT * len(names)), 1)
    if len(names) < 4:
        log.warning("%s: %d groups; validation and test share pictures", name, len(names))
        cuts = [names[:1]] * 3
    else:
        cuts = [names[part * held : (part + 1) * held] for part in range(3)]
    parts = [everything[np.flatnonzero(np.isin(groups, cut) & measured)] for cut in cuts]
    train = everything[np.flatnonzero(~np.isin(groups, np.concatenate(cuts)))]
    for part, which in zip((*parts, train), ("test", "calibration", "validation", "train"), strict=True):
        if len(part) == 0:
            raise DataError(f"{name}: no picture with a real price is left for {which}.")
    return Splits(name, train, validation=parts[2], calibration=parts[1], test=parts[0], licence=licence)


def _read(table: Path) -> tuple[list[Row], list[str]]:
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
        estimate=line.get("price_source") in ESTIMATES,
    )


def _refuse(problems: list[str]) -> None:
    if problems:
        listed = "\n  ".join(problems[:LISTED_PROBLEMS])
        more = len(problems) - LISTED_PROBLEMS
        rest = f"\n  and {more} more" if more > 0 else ""
        raise DataError(f"These lines have to be mended before training starts:\n  {listed}{rest}")
