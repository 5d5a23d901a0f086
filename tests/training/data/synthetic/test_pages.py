"""Pages to learn from: legible, varied, the same for the same seed."""

import numpy as np
import pytest

from models.image.views import DigitView
from models.model import ZOO, open_model
from training.data import mnist
from training.data.synthetic import pages
from training.data.synthetic.strokes import TEMPLATES, draw_digit
from training.evaluation.evaluate import predict

VIEW = DigitView()


def predicted(name: str, pixels: np.ndarray) -> np.ndarray:
    return predict(open_model(ZOO / f"{name}.onnx"), pixels)["probabilities"].argmax(axis=1)


@pytest.fixture(scope="module")
def digits(data):
    return mnist.mnist(data).train[:5000]


@pytest.mark.parametrize("digit", TEMPLATES)
def test_drawn_digits_fit_their_frame_and_differ(digit):
    rng = np.random.default_rng(digit)
    drawn = [draw_digit(digit, 100, rng) for _ in range(20)]

    for ink in drawn:
        assert ink.dtype == np.uint8
        assert ink.max() == 255
        assert not ink[0].any()
        assert not ink[-1].any()
        assert not ink[:, 0].any()
        assert not ink[:, -1].any()
    assert len({ink.tobytes() for ink in drawn}) == 20


def test_drawn_digits_are_read_by_a_network_trained_on_mnist_alone():
    """digits-linear never saw a drawn digit, so most templates must look like MNIST's."""
    rng = np.random.default_rng(0)
    truth = np.arange(150) % 10
    drawings = [255 - np.repeat(draw_digit(int(d), 120, rng)[:, :, None], 3, axis=2) for d in truth]
    pixels = np.stack([VIEW(drawing) for drawing in drawings])

    assert (predicted("digits-linear", pixels) == truth).mean() > 0.6


def test_pages_are_legible(digits):
    written = pages.pages(digits, 60, VIEW, seed=1)

    assert written.pixels.shape == (60, *VIEW.shape)
    assert written.pixels.dtype == np.uint8
    assert written.targets.dtype == np.int64
    assert (predicted("digits-cnn", written.pixels) == written.targets).mean() > 0.9


def test_same_seed_same_pages(digits):
    once, again, other = (pages.pages(digits, 10, VIEW, seed) for seed in (1, 1, 2))

    assert np.array_equal(once.pixels, again.pixels)
    assert np.array_equal(once.targets, again.targets)
    assert not np.array_equal(once.pixels, other.pixels)


def test_pages_are_written_once(digits, tmp_path, monkeypatch):
    """Other digits, counts, views, seeds and fractions are pages of their own."""
    uncached = pages.pages(digits, 6, VIEW, 1)
    arguments = (digits, 6, VIEW, 1, 0.4, tmp_path)
    once = pages.pages(*arguments)
    others = [
        (digits[:100], *arguments[1:]),
        (digits, 7, *arguments[2:]),
        (*arguments[:2], DigitView(ink=18), *arguments[3:]),
        (*arguments[:3], 2, *arguments[4:]),
        (*arguments[:4], 0.5, tmp_path),
    ]
    monkeypatch.setattr(pages, "_legible", lambda *_: iter(()))
    again = pages.pages(*arguments)

    for read in (once, again):
        assert np.array_equal(uncached.pixels, read.pixels)
        assert np.array_equal(uncached.targets, read.targets)
    for other in others:
        with pytest.raises(ValueError, match="not enough values"):
            pages.pages(*other)


def test_unreadable_pages_are_left_out(digits, monkeypatch):
    """Every other page is blank paper."""
    write = pages.page
    written = []

    def sometimes_blank(ink, rng):
        written.append(ink)
        return write(ink, rng) if len(written) % 2 else np.full((100, 100, 3), 250, np.uint8)

    monkeypatch.setattr(pages, "page", sometimes_blank)
    kept = pages.pages(digits, 20, VIEW, seed=0)

    assert len(written) >= 39
    assert kept.pixels.any(axis=(1, 2, 3)).all()


def test_pages_are_photos_of_any_shape_and_light():
    rng = np.random.default_rng(0)
    photos = [pages.page(draw_digit(7, 80, rng), rng) for _ in range(40)]

    assert all(photo.dtype == np.uint8 and photo.ndim == 3 and photo.shape[2] == 3 for photo in photos)
    assert len({photo.shape for photo in photos}) > 20
    means = [photo.mean() for photo in photos]
    assert min(means) < 100 < 200 < max(means)
