"""Ink and paper: the page's own paper is estimated and divided away."""

import cv2
import numpy as np
import numpy.typing as npt

from models.image.components import Ink
from models.image.decode import Picture

Grey = npt.NDArray[np.uint8]
"""uint8 (height, width): lightness, 0 to 255."""

THUMBNAIL_SIDE = 64
"""Pixels: paper is smooth, so its shade is estimated on a thumbnail of at most this side."""

PAPER_GRAINS = (0.14, 0.4)
"""Fractions of the picture's side below which something dark is ink, not paper.

The small one follows a shadow, the large one fits a felt pen in a tight crop.
"""


def most_contrasting_channel(picture: Picture) -> Grey:
    """The channel that varies most: a yellow pen is invisible in grey, plain in blue.

    A grey picture is its own; it may be read-only.
    """
    if picture.ndim == 2:
        return picture
    step = max(min(picture.shape[:2]) // THUMBNAIL_SIDE, 1)
    sample = cv2.resize(picture, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_NEAREST)
    _, deviation = cv2.meanStdDev(sample)
    return cv2.extractChannel(picture, int(np.argmax(deviation)))


def shrink(grey: Grey, max_side: int) -> Grey:
    """Shrink to at most `max_side` pixels a side.

    By a whole number first, which is fast, then the rest.
    """
    height, width = grey.shape
    scale = max(height, width) / max_side
    if scale <= 1:
        return grey
    size = (max(round(width / scale), 1), max(round(height / scale), 1))
    factor = int(scale)
    if factor > 1:
        halfway = (max(width // factor, 1), max(height // factor, 1))
        grey = cv2.resize(grey, halfway, interpolation=cv2.INTER_AREA)
    return cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR)


def dark_on_light(page: Grey) -> tuple[Grey, Grey]:
    """The page, inverted if its ink is light, and its thumbnail."""
    thumbnail = shrink(page, THUMBNAIL_SIDE)
    if _is_light_on_dark(thumbnail):
        return cv2.bitwise_not(page), cv2.bitwise_not(thumbnail)
    return page, thumbnail


def ink_on_paper(page: Grey, thumbnail: Grey, grain: float) -> Ink:
    """How much darker each pixel is than the paper around it, relative to that paper.

    Args:
        page: Dark ink on light paper.
        thumbnail: The same, small.
        grain: One of PAPER_GRAINS.
    """
    # Closing fills everything dark that is narrower than the kernel: what is left is paper.
    paper = cv2.blur(_morph(thumbnail, cv2.MORPH_CLOSE, grain), (5, 5))
    paper = cv2.resize(paper, (page.shape[1], page.shape[0]), interpolation=cv2.INTER_LINEAR)
    # A shadow scales the difference between ink and paper, so the difference is divided by the paper.
    return cv2.divide(cv2.subtract(paper, page), paper, scale=255)


def _is_light_on_dark(grey: Grey) -> bool:
    """Whether ink is lighter than paper, by the sum of three votes.

    Ink covers less than paper does; paper reaches the border; narrow things differ from their surroundings
    towards the ink's side, which a shadow does not change.
    """
    _, light = cv2.threshold(grey, 0, 1, cv2.THRESH_OTSU)
    border = cv2.countNonZero(light[0]) + cv2.countNonZero(light[-1])
    border += int(np.count_nonzero(light[:, 0])) + int(np.count_nonzero(light[:, -1]))
    light_fractions = cv2.countNonZero(light) / light.size + border / (2 * sum(light.shape))
    dark_strokes = cv2.subtract(_morph(grey, cv2.MORPH_CLOSE, PAPER_GRAINS[0]), grey)
    light_strokes = cv2.subtract(grey, _morph(grey, cv2.MORPH_OPEN, PAPER_GRAINS[0]))
    stroke_ratio = np.log((1 + _energy(dark_strokes)) / (1 + _energy(light_strokes)))
    return light_fractions - 1 + 0.15 * float(stroke_ratio) < 0


def _morph(grey: Grey, operation: int, grain: float) -> Grey:
    side = 2 * round(max(grey.shape) * grain / 2) + 1
    kernel = np.ones((side, side), np.uint8)
    return cv2.morphologyEx(grey, operation, kernel, borderType=cv2.BORDER_REPLICATE)


def _energy(grey: Grey) -> float:
    return float(cv2.norm(grey, cv2.NORM_L2SQR))
