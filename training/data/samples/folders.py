"""Folders of drawn pictures as a user might have them, to try the commands for one's own pictures with."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from training.data.samples.mushrooms import KINDS, LATER, draw_mushroom
from training.data.splits import DataError
from training.data.synthetic.cars import draw, draw_model

METRES = 6.0
"""As long as the picture of a car is wide."""

LATER_EACH = 8
"""Pictures of each kind that are in no class at first."""

TESTED_EACH = 1
"""Pictures of each class that are not learned from."""


def write_samples(folder: Path, each: int, seed: int = 0) -> dict[str, int]:
    """Write mushrooms in a folder for each class, others for later, and cars with a table of prices.

    Two of the mushrooms are wrong on purpose: a file that is cut off, and one that is in two classes.

    Args:
        folder: Must be new or empty.
        each: Pictures of each class; twice as many cars, each of them drawn twice.
        seed: The same seed gives the same pictures.

    Returns:
        The pictures in each folder.

    Raises:
        DataError: There is something in the folder, or it cannot be written.
    """
    try:
        if folder.exists() and any(folder.iterdir()):
            raise DataError(f"{folder} is not empty; name a folder that is not there yet.")
        rng = np.random.default_rng(seed)
        for kind, look in KINDS.items():
            for number in range(1, each + 1):
                _save(draw_mushroom(look, rng), folder / "mushrooms" / kind / f"{number}.jpg")
        for kind, look in (KINDS | LATER).items():
            for number in range(1, (LATER_EACH if kind in LATER else TESTED_EACH) + 1):
                _save(draw_mushroom(look, rng), folder / "later" / f"{kind}-{number}.jpg")
        _spoil(folder / "mushrooms")
        _write_cars(folder / "cars", each, rng)
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error}") from None
    return {part.name: len(list(part.rglob("*.jpg"))) for part in sorted(folder.iterdir())}


def _spoil(mushrooms: Path) -> None:
    """Cut one file off, and put a copy of another into a second class."""
    first, second, third = (mushrooms / kind for kind in list(KINDS)[:3])
    cut_off = third / "1.jpg"
    cut_off.write_bytes(cut_off.read_bytes()[:1000])
    (second / "1.jpg").write_bytes((first / "1.jpg").read_bytes())


def _write_cars(folder: Path, each: int, rng: np.random.Generator) -> None:
    """Two drawings of each car, with a table of their prices and lengths."""
    rows = []
    for number in range(1, 2 * each + 1):
        car = draw_model(rng)
        for side in "ab":
            _save(draw(car, rng), folder / f"{number}{side}.jpg")
            rows.append((f"{number}{side}.jpg", round(car.price, -2), round(METRES * car.length, 2), number))
    with (folder / "prices.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "price", "length", "group"), *rows])


def _save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path, quality=90)
