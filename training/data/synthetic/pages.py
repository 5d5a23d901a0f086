"""Digits on photographed pages, as a view reads them back (docs/decisions/0009).

A network trained on MNIST alone has never met strokes that a view has cut out of ruled paper, shadows and
JPEG noise, which is what users send. Here MNIST's own training digits, and drawn ones
(training/data/synthetic/strokes.py), are written on pages, and the view reads them back.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from rich.progress import track

from models.image.decode import Picture
from models.image.views import View
from training.data.splits import Examples
from training.data.synthetic.cache import Arrays, cached
from training.data.synthetic.strokes import Ink, draw_digit

MIN_CORRELATION = 0.45
"""Of the view of a page with the view of its digit alone; below it the view has lost the digit."""


def pages(
    mnist: Examples, count: int, view: View, seed: int, drawn: float = 0.4, root: Path | None = None
) -> Examples:
    """Digits on pages, as `view` shows them.

    Args:
        mnist: The digits to write: uint8 (N, 28, 28, 1), as MNIST has them.
        count: Pages that the view can read.
        view: How pictures become pixels.
        seed: The same seed gives the same pages.
        drawn: Fraction of the digits that are drawn by strokes instead.
        root: Data folder, whose cache the pages are read from (training/data/synthetic/cache.py).

    Returns:
        uint8 (count, H, W, 1) and int64 (count,).
    """

    def write() -> Arrays:
        legible = islice(_legible(mnist, view, np.random.default_rng(seed), drawn), count)
        pixels, digits = zip(*track(legible, "writing pages", total=count), strict=True)
        return {"pixels": np.stack(pixels), "targets": np.array(digits, np.int64)}

    arrays = cached(root, "pages", (mnist.fingerprint, count, view, seed, drawn), write)
    return Examples(arrays["pixels"].astype(np.uint8, copy=False), arrays["targets"])


def _legible(
    mnist: Examples, view: View, rng: np.random.Generator, drawn: float
) -> Iterator[tuple[npt.NDArray[np.uint8], int]]:
    """Endless views of pages with their digits, without those that lost the digit."""
    while True:
        height = int(rng.integers(50, 200))
        if rng.random() < drawn:
            digit = int(rng.integers(10))
            ink = draw_digit(digit, height, rng)
        else:
            index = int(rng.integers(len(mnist)))
            digit = int(mnist.targets[index])
            ink = _rewritten(mnist.pixels[index, :, :, 0], height, rng)
        pixels = view(page(ink, rng))
        if _correlation(pixels, view(_on_black(ink))) > MIN_CORRELATION:
            yield pixels, digit


def page(ink: Ink, rng: np.random.Generator) -> Picture:
    """A photo of a sheet with the ink on it.

    Position, colour, paper, light, blur, noise and JPEG quality are random.
    """
    height, width = ink.shape
    scale = rng.uniform(1.05, 3.2, 2) if rng.random() < 0.9 else rng.uniform(3, 5, 2)
    rows, columns = int(height * scale[0]) + 8, int(max(width, height / 2) * scale[1]) + 8
    top, left = int(rng.integers(rows - height + 1)), int(rng.integers(columns - width + 1))
    if rng.random() < 0.08:  # the edge of the picture cuts the margin, not the digit
        top, left = (0, left) if rng.random() < 0.5 else (top, 0)
    sheet = np.full((rows, columns, 3), rng.uniform(185, 256) + rng.normal(0, 6, 3), np.float32)
    if rng.random() < 0.3:
        _rule(sheet, height, rng)
    colour = rng.uniform(0, 110) + rng.choice([0.0, 70.0]) * rng.random(3)
    if rng.random() < 0.2:  # a pencil
        colour = np.full(3, rng.uniform(90, 150))
    opacity = (ink * (rng.uniform(0.75, 1.0) / 255)).astype(np.float32)[:, :, None]
    under = sheet[top : top + height, left : left + width]
    under += opacity * (colour.astype(np.float32) - under)
    if rng.random() < 0.15:
        _specks(sheet, rng)
    if rng.random() < 0.2:
        sheet = 255 - sheet * np.float32(rng.uniform(0.75, 1.0))
    if rng.random() < 0.5:
        sheet *= _light(rows, columns, rng)
    if rng.random() < 0.4:
        sheet = cv2.GaussianBlur(sheet, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < 0.6:
        cv2.setRNGSeed(int(rng.integers(1 << 31)))  # cv2.randn has a generator of its own
        grain = np.empty((rows, columns, 3 if rng.random() < 0.3 else 1), np.float32)
        sheet = sheet + cv2.randn(grain, 0, float(rng.uniform(0, 8))).reshape(grain.shape)
    photo = np.clip(sheet, 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 95))]
        photo = cv2.imdecode(cv2.imencode(".jpg", photo, quality)[1], cv2.IMREAD_COLOR)
    return photo


def _rewritten(small: npt.NDArray[np.uint8], height: int, rng: np.random.Generator) -> Ink:
    """A digit of 28 pixels in another pen's stroke width, `height` pixels tall."""
    x, y, w, h = cv2.boundingRect(small)
    scale = height / max(h, 1)
    size = (max(round(w * scale), 3), max(round(h * scale), 3))
    large = cv2.resize(small[y : y + h, x : x + w], size, interpolation=cv2.INTER_CUBIC)
    large = cv2.copyMakeBorder(large, 6, 6, 6, 6, cv2.BORDER_CONSTANT, value=0)
    soft = cv2.GaussianBlur(large, (0, 0), max(0.3 * scale, 0.5))
    edge = rng.uniform(0.3, 0.5) * 255
    mask = np.clip((soft.astype(np.float32) - edge) * (8 / np.sqrt(scale)) + 128, 0, 255).astype(np.uint8)
    change = rng.random()
    if change < 0.3:
        mask = _thin(mask, rng.uniform(0.25, 0.7))
    elif change < 0.45:
        reach = int(rng.integers(1, max(int(scale), 2))) + 1
        mask = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach)))
    return mask


def _thin(ink: Ink, keep: float) -> Ink:
    """Erode the strokes until about the fraction `keep` of the ink is left."""
    kernel = np.ones((3, 3), np.uint8)
    least = keep * float(ink.sum())
    eroded = cv2.erode(ink, kernel)
    while float(eroded.sum()) > least:
        ink, eroded = eroded, cv2.erode(eroded, kernel)
    return ink


def _rule(sheet: npt.NDArray[np.float32], height: int, rng: np.random.Generator) -> None:
    """Rule the sheet, in place, with lines or squares fainter than a pen."""
    step = max(int(height * rng.uniform(0.25, 1.0)), 6)
    colour = sheet[0, 0] - rng.uniform(15, 80) * np.array([1.0, rng.uniform(0.4, 1), rng.uniform(0.2, 1)])
    thickness = max(int(height * rng.uniform(0.005, 0.02)), 1)
    start = int(rng.integers(step))
    for line in range(thickness):
        sheet[start + line :: step] = colour
        if rng.random() < 0.5:
            sheet[:, start + line :: step] = colour


def _specks(sheet: npt.NDArray[np.float32], rng: np.random.Generator) -> None:
    """Put up to eleven dark dots on the sheet, in place."""
    rows, columns = sheet.shape[:2]
    for _ in range(int(rng.integers(1, 12))):
        spot = (int(rng.integers(columns)), int(rng.integers(rows)))
        cv2.circle(sheet, spot, int(rng.integers(1, 3)), (float(rng.uniform(0, 150)),) * 3, -1)


def _light(rows: int, columns: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Light from one side, often with a hand's shadow: float32 (rows, columns, 1)."""
    y, x = np.mgrid[-0.5 : 0.5 : rows * 1j, -0.5 : 0.5 : columns * 1j].astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 - rng.uniform(0, 0.5) * (0.5 + np.cos(angle) * x + np.sin(angle) * y) / 1.2
    if rng.random() < 0.5:
        angle, edge = rng.uniform(0, 2 * np.pi), rng.uniform(-0.4, 0.4)
        across = (np.cos(angle) * x + np.sin(angle) * y - edge) / rng.uniform(0.01, 0.2)
        light *= 1 - rng.uniform(0.1, 0.45) / (1 + np.exp(-np.clip(across, -30, 30)))
    return light.astype(np.float32)[:, :, None]


def _on_black(ink: Ink) -> Picture:
    """The digit alone, white on black, in RGB."""
    framed = cv2.copyMakeBorder(ink, 20, 20, 20, 20, cv2.BORDER_CONSTANT, value=0)
    return cv2.cvtColor(framed, cv2.COLOR_GRAY2RGB)


def _correlation(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """Correlation of two views; 0 where one of them is empty."""
    a, b = (np.asarray(view, np.float64).ravel() - view.mean() for view in (one, other))
    return float(a @ b / max(np.sqrt((a @ a) * (b @ b)), 1e-9))
