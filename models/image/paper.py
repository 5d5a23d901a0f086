"""Ink and paper: the page's own paper is estimated and divided away."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.image.components import Ink, square
from models.image.decode import Picture

Grey = npt.NDArray[np.uint8]
"""uint8 (height, width): lightness, 0 to 255."""

THUMBNAIL_SIDE = 64
"""Pixels: paper is smooth, so its shade is estimated on a thumbnail of at most this side."""

PAPER_GRAINS = (0.14, 0.4)
"""Fractions of the picture's side below which something dark is ink, not paper.

The small one follows a shadow, the large one fits a felt pen in a tight crop.
"""

STROKE_WEIGHT = 0.15
"""Of narrow things in the vote on polarity, for each e-fold between both polarities' energies."""


@dataclass(frozen=True)
class Page:
    """Dark ink on light paper.

    Attributes:
        grey: The page.
        thumbnail: The same, small.
        fine_paper: The thumbnail's paper at the finest grain.
        max_ink: No pixel has more ink than this at any grain.
    """

    grey: Grey
    thumbnail: Grey
    fine_paper: Grey
    max_ink: int


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
    """Shrink to at most `max_side` pixels a side: halved as often as it goes, then the rest.

    Averages of 2 x 2 pixels are ten to twenty times as fast as those of any other size.
    """
    height, width = grey.shape
    scale = max(height, width) / max_side
    if scale <= 1:
        return grey
    size = (max(round(width / scale), 1), max(round(height / scale), 1))
    while max(height, width) >= 2 * max_side:
        # An odd last row or column is left out, except that a line of one pixel stays.
        height, width = max(height // 2, 1), max(width // 2, 1)
        grey = cv2.resize(grey[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR)


def dark_on_light(grey: Grey) -> Page:
    """The page, inverted if its ink is lighter than its paper, by the sum of three votes.

    Ink covers less than paper does; paper reaches the border; narrow things differ from their surroundings
    towards the ink's side, which a shadow does not change.
    """
    darkest, lightest, _, _ = cv2.minMaxLoc(grey)
    thumbnail = shrink(grey, THUMBNAIL_SIDE)
    by_area = _light_fractions(thumbnail) - 1
    is_inverted = by_area < 0
    if is_inverted:
        thumbnail = cv2.bitwise_not(thumbnail)
    paper, strokes = _fine_paper(thumbnail)
    # Strokes of the other polarity are looked for only where the most that they could be would outvote area.
    most = thumbnail.size * (lightest - darkest) ** 2
    if abs(by_area) + _stroke_vote(strokes, most) < 0:
        negative = cv2.bitwise_not(thumbnail)
        other_paper, other_strokes = _fine_paper(negative)
        if abs(by_area) + _stroke_vote(strokes, other_strokes) < 0:
            is_inverted, thumbnail, paper = not is_inverted, negative, other_paper
    if is_inverted:
        grey = cv2.bitwise_not(grey)
        darkest, lightest = 255 - lightest, 255 - darkest
    max_ink = math.ceil(255 * (1 - darkest / max(lightest, 1)))
    return Page(grey, thumbnail, paper, max_ink)


def ink_on_paper(page: Page, grain: float) -> Ink:
    """How much darker each pixel is than the paper around it, relative to that paper.

    Args:
        page: Dark ink on light paper.
        grain: One of PAPER_GRAINS.
    """
    is_finest = grain == PAPER_GRAINS[0]
    paper = page.fine_paper if is_finest else _closed(page.thumbnail, grain)
    height, width = page.grey.shape
    paper = cv2.resize(cv2.blur(paper, (5, 5)), (width, height), interpolation=cv2.INTER_LINEAR)
    # A shadow scales the difference between ink and paper, so the difference is divided by the paper.
    return cv2.divide(cv2.subtract(paper, page.grey), paper, scale=255)


def _light_fractions(grey: Grey) -> float:
    """The fraction of light pixels on the whole picture and the one along its border, added up."""
    _, light = cv2.threshold(grey, 0, 1, cv2.THRESH_OTSU)
    border = cv2.countNonZero(light[0]) + cv2.countNonZero(light[-1])
    border += int(np.count_nonzero(light[:, 0])) + int(np.count_nonzero(light[:, -1]))
    return cv2.countNonZero(light) / light.size + border / (2 * sum(light.shape))


def _fine_paper(thumbnail: Grey) -> tuple[Grey, float]:
    """The paper between dark strokes at the finest grain, and the energy of what stands out from it."""
    paper = _closed(thumbnail, PAPER_GRAINS[0])
    return paper, cv2.norm(paper, thumbnail, cv2.NORM_L2SQR)


def _stroke_vote(strokes: float, other_strokes: float) -> float:
    return STROKE_WEIGHT * math.log((1 + strokes) / (1 + other_strokes))


def _closed(thumbnail: Grey, grain: float) -> Grey:
    """Everything dark that is narrower than the grain filled: what is left is paper."""
    side = 2 * round(max(thumbnail.shape) * grain / 2) + 1
    return cv2.morphologyEx(thumbnail, cv2.MORPH_CLOSE, square(side), borderType=cv2.BORDER_REPLICATE)
