"""Pages to learn from: legible, varied, the same for the same seed."""

import numpy as np
import pytest

from models.image.views import DigitView
from models.model import ZOO, open_model
from training.data.mnist import mnist
from training.data.synthetic.pages import page, pages
from training.data.synthetic.strokes import TEMPLATES, draw_digit
from training.evaluation.evaluate import predict

VIEW = DigitView()


@pytest.mark.parametrize("digit", TEMPLATES)
def test_drawn_digits_fit_their_frame_and_are_never_the_same(digit):
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


def test_drawn_digits_are_read_by_a_network_that_saw_mnist_alone():
    """digits-linear never met a drawn digit; most of the templates must look like digits to it."""
    rng = np.random.default_rng(0)
    truth = np.arange(300) % 10
    seen = np.stack(
        [VIEW(255 - np.repeat(draw_digit(int(d), 120, rng)[:, :, None], 3, axis=2)) for d in truth]
    )
    told = predict(open_model(ZOO / "digits-linear.onnx"), seen)["probabilities"].argmax(axis=1)

    assert (told == truth).mean() > 0.6


def test_pages_are_legible_and_the_same_for_the_same_seed(data):
    known = mnist(data).train
    once, again, other = (pages(known, 200, VIEW, seed) for seed in (1, 1, 2))
    told = predict(open_model(ZOO / "digits-cnn.onnx"), once.pixels)["probabilities"].argmax(axis=1)

    assert once.pixels.shape == (200, *VIEW.shape)
    assert np.array_equal(once.pixels, again.pixels)
    assert not np.array_equal(once.pixels, other.pixels)
    assert (told == once.targets).mean() > 0.9


def test_pages_that_the_view_cannot_read_are_left_out(data, monkeypatch):
    """Every other page is blank paper; none of them may be learned from."""
    written = []

    def sometimes_blank(ink, rng):
        written.append(ink)
        return page(ink, rng) if len(written) % 2 else np.full((100, 100, 3), 250, np.uint8)

    monkeypatch.setattr("training.data.synthetic.pages.page", sometimes_blank)
    kept = pages(mnist(data).train, 50, VIEW, seed=0)

    assert len(written) >= 99
    assert kept.pixels.any(axis=(1, 2, 3)).all()


def test_pages_are_photos_of_any_shape_and_light():
    rng = np.random.default_rng(0)
    photos = [page(draw_digit(7, 80, rng), rng) for _ in range(40)]

    assert all(photo.dtype == np.uint8 and photo.ndim == 3 and photo.shape[2] == 3 for photo in photos)
    assert len({photo.shape for photo in photos}) > 20
    means = [photo.mean() for photo in photos]
    assert min(means) < 100 < 200 < max(means)
