"""Ink on paper: where on a picture the digit is, and its strokes as a clean grey picture.

Written for what people send: pencil on squared paper, a shadow over the page, chalk on a board, a
felt pen in a corner, a screenshot, JPEG noise. No learning, no thresholds per picture: everything is
relative to the picture's own paper and its own ink.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from models.image.components import Box, Pieces
from models.image.decode import Picture
from models.image.ruled_lines import without_ruling

Grey = npt.NDArray[np.uint8]
"""uint8 (height, width): light, 0 to 255."""

Ink = npt.NDArray[np.uint8]
"""uint8 (height, width): how much ink lies on each spot, 0 for bare paper."""

WORKING_SIDE = 112
"""Ink is looked for on a picture of at most this many pixels a side: four for one of MNIST's."""

CLOSE_UP = 0.4
"""Share of the working side below which a digit is looked at again, from nearer."""

PAPER_SIDE = 64
"""Paper is smooth: its shade is estimated on a picture of about this many pixels a side."""

PAPER_GRAINS = (0.14, 0.4)
"""Share of the picture's side below which something dark is ink: small enough to follow a shadow,
or large enough for a felt pen in a tight crop."""

LEVELS = np.arange(256, dtype=np.float32)
"""All values of a uint8."""


@dataclass(frozen=True)
class Digit:
    """ink: a tight crop, strokes at 255, the rest at 0. box: where it lies on the page. pen: how dark
    the strokes were, 1 to 255. stroke: their mean width in pixels."""

    ink: Ink
    box: Box
    pen: float
    stroke: float


NOTHING = Digit(np.zeros((1, 1), np.uint8), (0, 0, WORKING_SIDE, WORKING_SIDE), 1.0, 1.0)


def find_digit(picture: Picture) -> Digit:
    """The largest piece of ink and what belongs to it.

    Looks at the whole picture first and, where the digit is a small part of it, once more at that
    part. A picture without any ink gives one empty pixel.
    """
    grey = _most_contrast(picture)
    page = _fit(grey, WORKING_SIDE)
    digit = _look(page)
    left, top, width, height = digit.box
    if max(width, height) < CLOSE_UP * WORKING_SIDE and page is not grey:
        scale = max(grey.shape) / max(page.shape)
        margin = max(width, height) / 2
        rows = slice(max(int(scale * (top - margin)), 0), int(scale * (top + height + margin)) + 1)
        columns = slice(max(int(scale * (left - margin)), 0), int(scale * (left + width + margin)) + 1)
        digit = _look(_fit(grey[rows, columns], WORKING_SIDE))
    return digit


def _look(page: Grey) -> Digit:
    grey, small = _dark_on_light(page)
    fine = _main_piece(_ink_on_paper(grey, small, PAPER_GRAINS[0]))
    digit = _cut_out(fine)
    # Strokes near the width that the paper estimate can bridge may have been taken for paper.
    if digit.stroke < 0.4 * max(page.shape) * PAPER_GRAINS[0]:
        return digit
    coarse = _main_piece(_ink_on_paper(grey, small, PAPER_GRAINS[1]))
    return _cut_out(coarse) if coarse.pen > 1.25 * fine.pen else digit


@dataclass(frozen=True)
class _Piece:
    """The piece of ink that is the digit, or its largest. pieces: None where there is no ink."""

    ink: Ink
    pieces: Pieces | None
    seed: int
    pen: float


def _main_piece(ink: Ink) -> _Piece:
    # Above the noise of sensors and JPEG, which a slight blur levels and a stroke survives.
    calm = cv2.GaussianBlur(ink, (3, 3), 0) if min(ink.shape) > 64 else ink
    peak = int(calm.max())
    if peak == 0:
        return _Piece(ink, None, 0, NOTHING.pen)
    otsu, _ = cv2.threshold(calm, 0, 255, cv2.THRESH_OTSU)
    # Otsu's split runs through the middle of a soft stroke; its fainter parts belong to it too.
    pieces = Pieces.of(calm, _mask(calm, 0.7 * min(otsu, 0.5 * peak)))
    seed = pieces.main()
    pen = pieces.darkness(calm, seed)
    if pieces.touches_both_edges(seed):
        # Ruling is fainter than the pen that writes on it: ask again, with the pen's own darkness.
        pieces = Pieces.of(calm, without_ruling(_mask(calm, 0.5 * pen)))
        if pieces.count == 0:
            return _Piece(ink, None, 0, NOTHING.pen)
        seed = pieces.main()
        pen = pieces.darkness(calm, seed)
    return _Piece(ink, pieces, seed, pen)


def even_stroke(digit: Digit, side: int, width: float) -> Ink:
    """Its ink scaled to at most `side` pixels, with strokes at least `width` pixels wide.

    A thin pen on a large page would all but vanish in the pixels of a small view.
    """
    ink, stroke = digit.ink, digit.stroke
    scale = side / max(ink.shape)
    if scale < 1:
        # Averaging dilutes strokes thinner than a target pixel: widen them to one first.
        grow = round(1.5 / scale - stroke)
        if grow > 0:
            ink = cv2.dilate(_padded(ink, grow // 2 + 1), np.ones((grow + 1, grow + 1), np.uint8))
            stroke += grow
    scale = side / max(ink.shape)
    size = (max(round(ink.shape[1] * scale), 1), max(round(ink.shape[0] * scale), 1))
    ink = cv2.resize(ink, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    grow = round(width - stroke * scale)
    if grow > 0:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (grow + 1, grow + 1))
        ink = cv2.dilate(_padded(ink, grow // 2 + 1), kernel)
    return ink


def centre_of_mass(ink: Ink) -> tuple[float, float]:
    """(column, row) in pixels; the middle of a picture without ink."""
    moments = cv2.moments(ink)
    if moments["m00"] == 0:
        return (ink.shape[1] - 1) / 2, (ink.shape[0] - 1) / 2
    return moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]


def _most_contrast(picture: Picture) -> Grey:
    """The channel that varies most: a yellow pen is invisible in grey and plain in blue."""
    step = max(min(picture.shape[:2]) // PAPER_SIDE, 1)
    few = cv2.resize(picture, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_NEAREST)
    _, spread = cv2.meanStdDev(few)
    return cv2.extractChannel(picture, int(np.argmax(spread)))


def _fit(grey: Grey, side: int) -> Grey:
    """Shrink to at most `side` pixels: by a whole number first, which is fast, then the rest."""
    height, width = grey.shape
    scale = max(height, width) / side
    if scale <= 1:
        return grey
    size = (max(round(width / scale), 1), max(round(height / scale), 1))
    whole = int(scale)
    if whole > 1:
        halfway = (max(width // whole, 1), max(height // whole, 1))
        grey = cv2.resize(grey, halfway, interpolation=cv2.INTER_AREA)
    return cv2.resize(grey, size, interpolation=cv2.INTER_LINEAR)


def _dark_on_light(page: Grey) -> tuple[Grey, Grey]:
    """The page, and the same at PAPER_SIDE, with ink darker than paper."""
    small = _fit(page, PAPER_SIDE)
    return (cv2.bitwise_not(page), cv2.bitwise_not(small)) if _light_on_dark(small) else (page, small)


def _ink_on_paper(grey: Grey, small: Grey, grain: float) -> Ink:
    """How far each pixel is from the paper around it, towards the ink's side of it."""
    # Closing fills everything dark that is narrower than the kernel: what is left is paper.
    paper = cv2.blur(_morph(small, cv2.MORPH_CLOSE, grain), (5, 5))
    paper = cv2.resize(paper, (grey.shape[1], grey.shape[0]), interpolation=cv2.INTER_LINEAR)
    # In a shadow, ink darkens the paper by the same share, not by the same amount.
    return cv2.divide(cv2.subtract(paper, grey), paper, scale=255)


def _light_on_dark(grey: Grey) -> bool:
    """Three votes: ink covers less than paper does, paper reaches the border, and narrow things
    differ from their surroundings towards the ink's side (which a shadow does not change)."""
    _, light = cv2.threshold(grey, 0, 1, cv2.THRESH_OTSU)
    rim = cv2.countNonZero(light[0]) + cv2.countNonZero(light[-1])
    rim += int(np.count_nonzero(light[:, 0])) + int(np.count_nonzero(light[:, -1]))
    shares = cv2.countNonZero(light) / light.size + rim / (2 * sum(light.shape))
    dark_strokes = cv2.subtract(_morph(grey, cv2.MORPH_CLOSE, PAPER_GRAINS[0]), grey)
    light_strokes = cv2.subtract(grey, _morph(grey, cv2.MORPH_OPEN, PAPER_GRAINS[0]))
    strokes = np.log((1 + _energy(dark_strokes)) / (1 + _energy(light_strokes)))
    return shares - 1 + 0.15 * float(strokes) < 0


def _morph(grey: Grey, operation: int, grain: float) -> Grey:
    reach = 2 * round(max(grey.shape) * grain / 2) + 1
    kernel = np.ones((reach, reach), np.uint8)
    return cv2.morphologyEx(grey, operation, kernel, borderType=cv2.BORDER_REPLICATE)


def _energy(grey: Grey) -> float:
    return float(cv2.norm(grey, cv2.NORM_L2SQR))


def _mask(ink: Ink, threshold: float) -> Ink:
    return cv2.threshold(ink, threshold, 1, cv2.THRESH_BINARY)[1]


def _cut_out(piece: _Piece) -> Digit:
    """The piece and its family with their soft edges, the pen's darkness at 255."""
    if piece.pieces is None:
        return NOTHING
    pen = piece.pen
    keep, (x, y, w, h) = piece.pieces.cut(piece.pieces.group(piece.seed))
    above = np.maximum(np.rint(LEVELS - np.float32(0.2 * pen)), 0)
    contrast = np.minimum(np.rint(above * np.float32(255 / (0.7 * pen))), 255).astype(np.uint8)
    cut = cv2.LUT(cv2.multiply(piece.ink[y : y + h, x : x + w], keep), contrast)
    left, top, w, h = cv2.boundingRect(cv2.threshold(cut, 25, 255, cv2.THRESH_TOZERO)[1])
    if w == 0:
        return Digit(NOTHING.ink, (x, y, 1, 1), pen, _stroke_width(NOTHING.ink))
    ink = cut[top : top + h, left : left + w]
    return Digit(ink, (x + left, y + top, w, h), pen, _stroke_width(ink))


def _stroke_width(ink: Ink) -> float:
    """Pixels: across a stroke, the mean distance to its edge is a quarter of its width."""
    mask = _mask(_padded(ink, 1), 127)
    inside = cv2.countNonZero(mask)
    if inside == 0:
        return 1.0
    distance = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
    return max(4 * float(distance.sum()) / inside - 1, 1.0)


def _padded(ink: Ink, margin: int) -> Ink:
    return cv2.copyMakeBorder(ink, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=0)
