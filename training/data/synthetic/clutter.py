"""Garments in colour and clutter: Fashion-MNIST in the shape of CIFAR-10, where that cannot be had.

Clutter of pieces of other pictures is that of Mnih et al. (NIPS 2014).
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from models.image.views import Pixels
from training.data.splits import Splits

SIDE = 32
"""Pixels of a cluttered picture."""

Array = npt.NDArray[np.float64]
Indices = tuple[npt.NDArray[np.int64], ...]


def cluttered(splits: Splits) -> Splits:
    """Garments in a random colour at a random place, on a random colour with bits of other garments."""
    parts = {
        name: replace(part, pixels=_cluttered(part.pixels, np.random.default_rng(seed)))
        for seed, (name, part) in enumerate(
            (name, getattr(splits, name)) for name in ("train", "validation", "calibration", "test")
        )
    }
    return replace(splits, name="cluttered fashion-mnist", **parts)


def _cluttered(pixels: Pixels, rng: np.random.Generator, bits: int = 5, side: int = 9) -> Pixels:
    """uint8 (N, 28, 28, 1) -> (N, 32, 32, 3)."""
    count = len(pixels)
    grey = pixels[..., 0] / 255
    canvas = np.broadcast_to(_colours(count, rng), (count, SIDE, SIDE, 3)).copy()
    for _ in range(bits):
        source = _windows(rng.integers(0, 28 - side + 1, (count, 2)), side)
        target = _windows(rng.integers(0, SIDE - side + 1, (count, 2)), side)
        _paint(canvas, target, grey[(rng.integers(0, count, count)[:, None, None], *source[1:])], rng)
    _paint(canvas, _windows(rng.integers(0, SIDE - 28 + 1, (count, 2)), 28), grey, rng)
    return np.rint(255 * canvas).astype(np.uint8)


def _paint(canvas: Array, window: Indices, grey: Array, rng: np.random.Generator) -> None:
    """Lay grey pieces, (N, h, w), in one colour each, on the windows; black is transparent."""
    opacity = np.minimum(4 * grey, 1)[..., None]
    ink = grey[..., None] * _colours(len(canvas), rng)
    canvas[window] = opacity * ink + (1 - opacity) * canvas[window]


def _windows(corners: npt.NDArray[np.int64], side: int) -> Indices:
    """Indices of a square in each picture: corners (N, 2) -> (N, 1, 1), (N, side, 1), (N, 1, side)."""
    steps = np.arange(side)
    return (
        np.arange(len(corners))[:, None, None],
        corners[:, 0, None, None] + steps[:, None],
        corners[:, 1, None, None] + steps,
    )


def _colours(count: int, rng: np.random.Generator) -> Array:
    """(count, 1, 1, 3) in [0.15, 1]."""
    return rng.uniform(0.15, 1, (count, 1, 1, 3))
