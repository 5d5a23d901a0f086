"""Finding a digit: its ink on a picture, and its strokes as a clean grey crop.

Made for real uploads: pencil on squared paper, a shadow over the page, chalk on a board, a felt pen in a
corner, a screenshot, JPEG noise. Nothing is learned and no threshold is absolute: everything is relative to
the picture's own paper and ink.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from models.image.components import Box, Components, Ink, Mask, cut, square
from models.image.decode import Picture
from models.image.paper import (
    PAPER_GRAINS,
    Grey,
    dark_on_light,
    ink_on_paper,
    most_contrasting_channel,
    shrink,
)
from models.image.ruled_lines import without_ruling

WORKING_SIDE = 112
"""Pixels: pages are searched at this side at most, four pixels for one of MNIST's."""

CLOSE_UP = 0.4
"""Fraction of the working side below which a digit is searched again on a crop around it."""

LEVELS = np.arange(256, dtype=np.float32)
"""All values of a uint8."""


@dataclass(frozen=True)
class Digit:
    """The ink of one digit.

    Attributes:
        ink: A tight crop, the strokes at 255, the rest at 0.
        box: The crop's box on the searched page.
        pen: Darkness of the strokes, 1 to 255.
    """

    ink: Ink
    box: Box
    pen: float

    @cached_property
    def stroke_width(self) -> float:
        """Mean width of the strokes in pixels: four times the mean distance to a stroke's edge."""
        mask = _above(_padded(self.ink, 1), 127)
        inside = cv2.countNonZero(mask)
        if inside == 0:
            return 1.0
        distance = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
        return max(4 * cv2.sumElems(distance)[0] / inside - 1, 1.0)


NO_DIGIT = Digit(np.zeros((1, 1), np.uint8), (0, 0, WORKING_SIDE, WORKING_SIDE), 1.0)


def find_digit(picture: Picture) -> Digit:
    """The largest component of ink and the strokes that belong to it.

    A digit that is a small part of the picture is searched again on a crop around it. A picture without ink
    gives one empty pixel.
    """
    grey = most_contrasting_channel(picture)
    page = shrink(grey, WORKING_SIDE)
    digit = _find_on(page)
    left, top, width, height = digit.box
    if max(width, height) < CLOSE_UP * WORKING_SIDE and page is not grey:
        scale = max(grey.shape) / max(page.shape)
        margin = max(width, height) / 2
        rows = slice(max(int(scale * (top - margin)), 0), int(scale * (top + height + margin)) + 1)
        columns = slice(max(int(scale * (left - margin)), 0), int(scale * (left + width + margin)) + 1)
        digit = _find_on(shrink(grey[rows, columns], WORKING_SIDE))
    return digit


def normalise_stroke(digit: Digit, max_side: int, min_width: float) -> Ink:
    """Scale a digit's ink to `max_side` pixels, its strokes at least `min_width` wide.

    A thin pen on a large page would all but vanish in the pixels of a small view.
    """
    ink, stroke_width = digit.ink, digit.stroke_width
    scale = max_side / max(ink.shape)
    if scale < 1:
        # Averaging dilutes strokes thinner than a target pixel: widen them to one first.
        grow = round(1.5 / scale - stroke_width)
        if grow > 0:
            ink = cv2.dilate(_padded(ink, grow // 2 + 1), square(grow + 1))
            stroke_width += grow
    scale = max_side / max(ink.shape)
    size = (max(round(ink.shape[1] * scale), 1), max(round(ink.shape[0] * scale), 1))
    ink = cv2.resize(ink, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    grow = round(min_width - stroke_width * scale)
    if grow > 0:
        ink = cv2.dilate(_padded(ink, grow // 2 + 1), _disc(grow + 1))
    return ink


def centre_of_mass(ink: Ink) -> tuple[float, float]:
    """(column, row) in pixels; the middle of a picture without ink."""
    moments = cv2.moments(ink)
    if moments["m00"] == 0:
        return (ink.shape[1] - 1) / 2, (ink.shape[0] - 1) / 2
    return moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]


@dataclass(frozen=True)
class _Candidate:
    """The component that is the digit or its largest part; None without ink."""

    ink: Ink
    components: Components | None
    label: int
    pen: float


def _find_on(grey: Grey) -> Digit:
    page = dark_on_light(grey)
    fine = _main_component(ink_on_paper(page, PAPER_GRAINS[0]))
    digit = _crop(fine)
    much_darker = 1.25 * fine.pen
    # Strokes about as wide as the paper's grain may have been taken for paper.
    if much_darker >= page.max_ink or digit.stroke_width < 0.4 * max(grey.shape) * PAPER_GRAINS[0]:
        return digit
    coarse = _main_component(ink_on_paper(page, PAPER_GRAINS[1]))
    return _crop(coarse) if coarse.pen > much_darker else digit


def _main_component(ink: Ink) -> _Candidate:
    # A slight blur levels the noise of sensors and JPEG; strokes survive it.
    smooth = cv2.GaussianBlur(ink, (3, 3), 0) if min(ink.shape) > 64 else ink
    peak = int(cv2.norm(smooth, cv2.NORM_INF))
    if peak == 0:
        return _Candidate(ink, None, 0, NO_DIGIT.pen)
    otsu, _ = cv2.threshold(smooth, 0, 255, cv2.THRESH_OTSU)
    # Otsu's threshold runs through the middle of a soft stroke, whose fainter parts belong to it too.
    components = Components.of(smooth, _above(smooth, 0.7 * min(otsu, 0.5 * peak)))
    label = components.main()
    pen = components.darkness(label)
    if components.touches_both_edges(label):
        # Ruling is fainter than the pen that writes on it: again, relative to the pen's own darkness.
        components = Components.of(smooth, without_ruling(_above(smooth, 0.5 * pen)))
        if components.count == 0:
            return _Candidate(ink, None, 0, NO_DIGIT.pen)
        label = components.main()
        pen = components.darkness(label)
    return _Candidate(ink, components, label, pen)


def _crop(candidate: _Candidate) -> Digit:
    """The candidate's group with its soft edges, the pen's darkness at 255."""
    if candidate.components is None:
        return NO_DIGIT
    pen = candidate.pen
    mask, box = candidate.components.mask_of(candidate.components.group(candidate.label))
    crop = cv2.LUT(cv2.multiply(cut(candidate.ink, box), mask), _contrast(pen))
    x, y, _, _ = box
    left, top, width, height = tight = cv2.boundingRect(_above(crop, 25))
    if width == 0:
        return Digit(NO_DIGIT.ink, (x, y, 1, 1), pen)
    ink = cut(crop, tight)
    return Digit(ink, (x + left, y + top, width, height), pen)


@lru_cache(maxsize=256)
def _contrast(pen: float) -> npt.NDArray[np.uint8]:
    """A look-up table, uint8 (256,): from a fifth of the pen's darkness, 0, to nine tenths, 255."""
    above = np.maximum(np.rint(LEVELS - np.float32(0.2 * pen)), 0)
    return np.minimum(np.rint(above * np.float32(255 / (0.7 * pen))), 255).astype(np.uint8)


@lru_cache(maxsize=64)
def _disc(diameter: int) -> Mask:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter))


def _above(ink: Ink, threshold: float) -> Mask:
    return cv2.threshold(ink, threshold, 1, cv2.THRESH_BINARY)[1]


def _padded(ink: Ink, margin: int) -> Ink:
    return cv2.copyMakeBorder(ink, margin, margin, margin, margin, cv2.BORDER_CONSTANT)
