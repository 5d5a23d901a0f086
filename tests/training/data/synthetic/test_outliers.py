"""Outliers: the same pictures for the same seed, drawn once."""

from collections import Counter

import numpy as np
import pytest

from models.image.views import DigitView, PhotoView, SquashView
from training.data.splits import DataError, Examples, Splits
from training.data.synthetic import outliers

DIGITS, CARS = DigitView(), SquashView(width=64, height=52)
ALWAYS = ("blank", "noise", "scribble", "letters", "landscape")


@pytest.fixture(autouse=True)
def few_digits_and_clothing(monkeypatch):
    """A few random pictures in place of MNIST and Fashion-MNIST."""
    for seed, name in enumerate(("mnist", "fashion_mnist")):
        pixels = np.random.default_rng(seed).integers(0, 256, (9, 28, 28, 1), np.uint8)
        part = Examples(pixels, np.arange(9))
        splits = Splits(name, part, part, part, part)
        monkeypatch.setattr(outliers, name, lambda root, splits=splits: splits)


@pytest.mark.parametrize(
    ("data_set", "view", "others"),
    [
        ("mnist", DIGITS, ("drawn car", "clothing")),
        ("fashion-mnist", DIGITS, ("drawn car", "digits")),
        ("cars", CARS, ("digits", "clothing")),
        ("drawn-cars", PhotoView(resize=32, crop=32), ("digits", "clothing")),
    ],
)
def test_kinds_are_drawn_one_after_the_other(tmp_path, data_set, view, others):
    """Each kind in turn from one generator: the pixels of all exports so far.

    Compared on 2026-11-21 with the code before the cache: equal to the byte, for five views and two seeds.
    """
    drawn = outliers.draw_outliers(data_set, view, 21, seed=1, root=tmp_path)
    rng = np.random.default_rng(1)

    assert tuple(drawn) == ALWAYS + others
    for kind, pixels in drawn.items():
        assert pixels.shape == (3, *view.shape)
        assert pixels.dtype == np.uint8
        if kind in ("digits", "clothing"):
            fetch = outliers.mnist if kind == "digits" else outliers.fashion_mnist
            draw = outliers._enlarged(fetch(tmp_path).train.pixels)
        else:
            draw = getattr(outliers, kind.replace(" ", "_"))
        assert np.array_equal(pixels, [view(draw(rng)) for _ in range(3)])


def test_outliers_are_drawn_once(tmp_path, monkeypatch):
    calls = Counter()

    def counted(rng):
        calls["blank"] += 1
        return np.full((40, 40, 3), rng.integers(256), np.uint8)

    monkeypatch.setattr(outliers, "blank", counted)
    once, again = (outliers.draw_outliers("mnist", DIGITS, 14, 1, tmp_path) for _ in range(2))
    assert calls["blank"] == 2
    assert list(once) == list(again)
    assert all(np.array_equal(pixels, again[kind]) for kind, pixels in once.items())

    for other in (
        ("fashion-mnist", DIGITS, 14, 1),
        ("mnist", DigitView(ink=18), 14, 1),
        ("mnist", DIGITS, 21, 1),
        ("mnist", DIGITS, 14, 2),
    ):
        before = calls["blank"]
        outliers.draw_outliers(*other, tmp_path)
        assert calls["blank"] > before


def test_sets_that_cannot_be_fetched_are_left_out(tmp_path, monkeypatch):
    def unreachable(root):
        raise DataError("no network")

    monkeypatch.setattr(outliers, "mnist", unreachable)
    monkeypatch.setattr(outliers, "fashion_mnist", unreachable)
    drawn = outliers.draw_outliers("cars", CARS, 5, 1, tmp_path)

    assert tuple(drawn) == ALWAYS
