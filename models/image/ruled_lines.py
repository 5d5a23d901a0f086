"""Ruled and squared paper: straight thin lines from one edge of the picture to the other."""

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
"""uint8 (height, width)."""

DENSEST = 0.2
"""Share of the picture that ruling covers at most; looking for lines in more than that is slow."""

STEEPEST = 0.25
"""Slope of a line that still counts as ruling on a page held askew."""


def without_ruling(mask: Grey) -> Grey:
    """Erase straight thin lines that cross the picture; strokes that cross them stay.

    mask: uint8 (height, width), 1 for ink; the same shape is returned.
    """
    if float(mask.mean()) > DENSEST:
        return mask
    lines = _lines_across(mask) | np.ascontiguousarray(_lines_across(mask.T).T)
    return mask & (1 - lines)


def _lines_across(mask: Grey) -> Grey:
    """1 where a nearly horizontal line runs from the left edge to the right one."""
    mask = np.ascontiguousarray(mask)
    width = mask.shape[1]
    lines = cv2.HoughLinesP(
        mask, 1, np.pi / 360, threshold=int(0.4 * width), minLineLength=0.7 * width, maxLineGap=0.06 * width
    )
    band = np.zeros_like(mask)
    for x0, y0, x1, y1 in () if lines is None else lines.reshape(-1, 4):
        slope = (y1 - y0) / (x1 - x0) if x1 != x0 else np.inf
        if abs(slope) < STEEPEST:
            ends = (0, round(y0 - slope * x0)), (width, round(y0 + slope * (width - x0)))
            cv2.line(band, *ends, color=1, thickness=max(3, width // 100))
    # Along a line, what is taller than the line is a stroke that crosses it.
    strokes = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((max(5, width // 50), 1), np.uint8))
    return band & mask & (1 - strokes)
