"""Data sets by name: what is left out is never viewed, what is kept is what the whole set begins with."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from models.image.views import DigitView, PhotoView
from training.data import sources
from training.data.mnist import mnist
from training.data.splits import DataError

PARTS = ("train", "validation", "calibration", "test")


class CountingView(DigitView):
    """Counts what it sees."""

    seen: ClassVar[int] = 0

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        CountingView.seen += 1
        return super().__call__(picture)


def test_few_digits_are_the_first_and_the_others_are_not_viewed(data: Path) -> None:
    few, everything = sources.load("mnist", CountingView(), data, at_most=500), mnist(data)
    for part, count in zip(PARTS, (500, 50, 50, 50), strict=True):
        kept, whole = getattr(few, part), getattr(everything, part)
        expected = [DigitView()(np.repeat(picture, 3, axis=2)) for picture in whole.pixels[:count]]
        np.testing.assert_array_equal(kept.pixels, expected)
        assert kept.targets.tolist() == whole.targets[:count].tolist()
    assert CountingView.seen == 650


def test_few_drawings_are_the_first() -> None:
    view = PhotoView(resize=8, crop=8)
    few, everything = (sources.load("drawn-cars", view, at_most=count) for count in (60, None))
    assert few.fingerprint == everything.limited(60).fingerprint
    assert len(few.train) == 60 < len(everything.train)


def test_an_unknown_set_is_answered_with_those_there_are(data: Path) -> None:
    with pytest.raises(DataError, match="'cats'; there are mnist,"):
        sources.load("cats", DigitView(), data)
