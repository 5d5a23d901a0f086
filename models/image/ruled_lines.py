"""Ruled and squared paper: straight thin lines across the picture."""

import cv2
import numpy as np

from models.image.components import Mask

MAX_INK_FRACTION = 0.2
"""Fraction of the picture that ruling covers at most; a Hough transform of more ink than that is slow."""

MIN_LENGTH = 0.7
"""Of a line, as a fraction of the picture's side."""

MAX_SLOPE = 0.25
"""Of a line that still counts as ruling, on a page that is not straight."""


def without_ruling(mask: Mask) -> Mask:
    """Erase straight thin lines across the picture; keep strokes that cross them.

    Args:
        mask: uint8 (height, width), 1 for ink.

    Returns:
        The mask without ruling, of the same shape.
    """
    if cv2.countNonZero(mask) > MAX_INK_FRACTION * mask.size:
        return mask
    lines = _horizontal_lines(mask) | np.ascontiguousarray(_horizontal_lines(mask.T).T)
    return mask & (1 - lines)


def _horizontal_lines(mask: Mask) -> Mask:
    """1 on nearly horizontal lines from the left edge to the right one."""
    mask = np.ascontiguousarray(mask)
    width = mask.shape[1]
    band = np.zeros_like(mask)
    _, _, ink_width, _ = cv2.boundingRect(mask)
    if ink_width < MIN_LENGTH * width:
        return band  # as of a 1 that reaches from top to bottom, which saves half of the Hough transforms
    lines = cv2.HoughLinesP(
        mask,
        1,
        np.pi / 360,
        threshold=int(0.4 * width),
        minLineLength=MIN_LENGTH * width,
        maxLineGap=0.06 * width,
    )
    for x0, y0, x1, y1 in () if lines is None else lines.reshape(-1, 4):
        slope = (y1 - y0) / (x1 - x0) if x1 != x0 else np.inf
        if abs(slope) < MAX_SLOPE:
            ends = (0, round(y0 - slope * x0)), (width, round(y0 + slope * (width - x0)))
            cv2.line(band, *ends, color=1, thickness=max(3, width // 100))
    # Within the band, what is taller than a line is a stroke that crosses it.
    strokes = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((max(5, width // 50), 1), np.uint8))
    return band & mask & (1 - strokes)
