"""Makes small collections of pictures on disk."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.image.views import SquashView
from training.data.collection.checks import Checked, check
from training.data.collection.opening import open_entries
from training.data.collection.read import read_collection

VIEW = SquashView(width=48, height=48)

Write = Callable[[Iterable[str]], Path]


def picture(seed: int, side: int = 64) -> Image.Image:
    """A picture like no other: soft coloured clouds."""
    clouds = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(clouds).resize((side, side), Image.Resampling.BICUBIC)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes different pictures under the given names and returns their folder."""

    def write(names: Iterable[str]) -> Path:
        for seed, name in enumerate(names):
            path = tmp_path / "mine" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(seed).save(path)
        return tmp_path / "mine"

    return write


@pytest.fixture
def checked(tmp_path: Path) -> Callable[[Path], Checked]:
    """Reads, opens and checks a folder."""

    def checked(root: Path) -> Checked:
        collection = read_collection(root)
        return check(collection, open_entries(collection.entries, VIEW, tmp_path / "data", 2))

    return checked
