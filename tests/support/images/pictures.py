"""Drawn pictures for tests, so that no test needs a data set."""

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from models.image.decode import Picture

STROKES = {
    # Polylines in a unit square, in a hand's order.
    0: [[(0.5, 0.0), (0.15, 0.2), (0.05, 0.55), (0.2, 0.9), (0.5, 1.0), (0.8, 0.85), (0.92, 0.5),
         (0.8, 0.12), (0.5, 0.0)]],
    1: [[(0.52, 0.0), (0.5, 0.5), (0.48, 1.0)]],
    2: [[(0.1, 0.25), (0.25, 0.05), (0.6, 0.0), (0.85, 0.2), (0.75, 0.5), (0.1, 1.0), (0.95, 0.97)]],
    3: [[(0.12, 0.1), (0.5, 0.0), (0.85, 0.18), (0.7, 0.42), (0.4, 0.48), (0.78, 0.56), (0.9, 0.78),
         (0.6, 1.0), (0.1, 0.92)]],
    4: [[(0.3, 0.0), (0.05, 0.6), (0.95, 0.58)], [(0.7, 0.05), (0.68, 1.0)]],
    7: [[(0.05, 0.04), (0.9, 0.0), (0.6, 0.45), (0.4, 1.0)]],
}  # fmt: skip


def digit(
    which: int = 7,
    size: tuple[int, int] = (280, 280),
    box: tuple[float, float, float, float] = (0.25, 0.15, 0.75, 0.85),
    ink: tuple[int, int, int] = (25, 25, 30),
    paper: tuple[int, int, int] = (255, 255, 255),
    pen: float = 0.07,
) -> Image.Image:
    """Draw a digit that looks handwritten.

    Args:
        which: One of STROKES.
        size: (width, height) of the page.
        box: Left, top, right and bottom of the digit, as fractions of the page.
        ink: RGB.
        paper: RGB.
        pen: Width of the pen as a fraction of the digit's height.
    """
    image = Image.new("RGB", size, paper)
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = (fraction * size[axis % 2] for axis, fraction in enumerate(box))
    width = max(round(pen * (bottom - top)), 1)
    for stroke in STROKES[which]:
        points = [(left + x * (right - left), top + y * (bottom - top)) for x, y in stroke]
        draw.line(points, fill=ink, width=width, joint="curve")
        for x, y in (points[0], points[-1]):
            draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=ink)
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The image as a file of a format, with Pillow's options for it."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(image: Image.Image) -> Picture:
    """The image as a picture, uint8 (height, width, 3)."""
    return np.asarray(image.convert("RGB"))


def landscape(width: int, height: int) -> Image.Image:
    """A smooth colourful scene with a few edges; the same size gives the same scene."""
    y, x = np.mgrid[0:height, 0:width]
    channels: list[Callable[[], npt.NDArray[np.float64]]] = [
        lambda: 128 + 100 * np.sin(x / width * 9) * np.cos(y / height * 5),
        lambda: 255 * (y / height),
        lambda: 128 + 90 * np.cos((x + y) / (width + height) * 14),
    ]
    image = Image.fromarray(np.stack([channel() for channel in channels], axis=2).astype(np.uint8))
    ImageDraw.Draw(image).rectangle((width // 3, height // 3, width // 2, height // 2), fill=(200, 30, 40))
    return image
