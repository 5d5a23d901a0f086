"""All data sets, by the names that recipes and cards use."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.image.views import PhotoView, View
from training.data.mnist import fashion_mnist, mnist
from training.data.price_table import price_table
from training.data.splits import DataError, Examples, Splits
from training.data.synthetic.cars import drawn_cars

DATA = Path("data")
"""The data folder: MNIST is fetched into it, cars are searched for in its folders `cars*`."""

Source = Callable[[View, Path, int | None], Splits]
"""A data set as a view shows it: its folder, and at most how many pictures of it."""


def load(name: str, view: View, root: Path = DATA, at_most: int | None = None) -> Splits:
    """The pictures of a data set as `view` shows them.

    Args:
        name: Of the data set.
        view: What the pictures are seen through.
        root: Where the data sets are.
        at_most: Training pictures, and a tenth of that in the other parts (`Splits.limited`); None for all.

    Raises:
        DataError: There is no such data set, or it cannot be had or read.
    """
    if name not in SOURCES:
        raise DataError(f"There is no data set {name!r}; there are {', '.join(SOURCES)}.")
    return SOURCES[name](view, root, at_most)


def is_available(name: str, root: Path = DATA) -> bool:
    """True for all sets that are fetched or drawn, and for car photos that are there."""
    return name in SOURCES and (name != "cars" or bool(_tables(root)))


def _grey(fetch: Callable[[Path], Splits]) -> Source:
    """A set of small grey pictures, shown to the view as if they had been uploaded."""

    def source(view: View, root: Path, at_most: int | None) -> Splits:
        splits = _limited(fetch(root), at_most)  # before the view, which takes seconds for 70,000 pictures
        parts = {
            part: _viewed(getattr(splits, part), view)
            for part in ("train", "validation", "calibration", "test")
        }
        return replace(splits, **parts)

    return source


def _viewed(part: Examples, view: View) -> Examples:
    pixels = [view(np.repeat(picture, 3, axis=2)) for picture in part.pixels]
    return replace(part, pixels=np.stack(pixels))


def _limited(splits: Splits, at_most: int | None) -> Splits:
    return splits if at_most is None else splits.limited(at_most)


def _cars(view: View, root: Path, at_most: int | None) -> Splits:
    tables = _tables(root)
    if not tables:
        raise DataError(
            f"No car photos: put a folder with pictures and a prices.csv (columns file, price,"
            f" optional group, year) at {root}/cars, or train drawn-cars, which needs none."
        )
    return _limited(price_table(tables, view), at_most)


def _drawn(view: View, root: Path, at_most: int | None) -> Splits:
    assert isinstance(view, PhotoView)
    return _limited(drawn_cars(view=view), at_most)


def _tables(root: Path) -> list[Path]:
    return sorted(root.glob("cars*/prices.csv"))


SOURCES: dict[str, Source] = {
    "mnist": _grey(mnist),
    "fashion-mnist": _grey(fashion_mnist),
    "cars": _cars,
    "drawn-cars": _drawn,
}
