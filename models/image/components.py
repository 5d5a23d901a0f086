"""Connected components of ink: the digit, and what belongs to it."""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

Ink = npt.NDArray[np.uint8]
"""uint8 (height, width): the amount of ink, 0 for bare paper."""

Mask = npt.NDArray[np.uint8]
"""uint8 (height, width): 1 inside, 0 outside."""

Box = tuple[int, int, int, int]
"""left, top, width, height, in pixels."""

MAX_GROUP = 8
"""Components of one digit; a group beyond it is a page of writing."""


@lru_cache(maxsize=64)
def square(side: int) -> Mask:
    """A structuring element of `side` x `side` pixels, not to be written to."""
    return np.ones((side, side), np.uint8)


@dataclass(frozen=True)
class Components:
    """The 8-connected components of a mask by label; label 0 is the background.

    Attributes:
        ink: The picture that the mask was made of.
        labels: uint16, the labels inside the mask's bounding box.
        origin: (left, top) of that box.
        stats: int32 (components + 1, 5): left, top, width, height, area of each.
    """

    ink: Ink
    labels: npt.NDArray[np.uint16]
    origin: tuple[int, int]
    stats: npt.NDArray[np.int32]

    @staticmethod
    def of(ink: Ink, mask: Mask) -> "Components":
        """Label the components of a mask of ink."""
        # Most pages are mostly paper: labelling only the bounding box of the ink takes a third of the time.
        left, top, width, height = cv2.boundingRect(mask)
        inside = mask[top : top + max(height, 1), left : left + max(width, 1)]
        count, labels = cv2.connectedComponents(inside, connectivity=8, ltype=cv2.CV_16U)
        if count > 2:
            _, labels, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8, ltype=cv2.CV_16U)
            stats[:, :2] += (left, top)
        else:
            # Most pages have one component, and measuring it takes longer than labelling.
            one = (left, top, width, height, cv2.countNonZero(inside))
            stats = np.array([(0, 0, 0, 0, 0), one][:count], np.int32)
        return Components(ink, labels, (left, top), stats)

    @property
    def count(self) -> int:
        """Number of components, without the background."""
        return len(self.stats) - 1

    def main(self) -> int:
        """Label of the component with the most ink.

        Ink along the border counts less: it is a table, or the end of the page.
        """
        if self.count == 1:
            return 1
        perimeter = 2 * (self.stats[:, cv2.CC_STAT_WIDTH] + self.stats[:, cv2.CC_STAT_HEIGHT])
        score = self._mass() * np.clip(1 - 2 * self._border() / np.maximum(perimeter, 1), 0.02, 1)
        score[0] = -1
        return int(np.argmax(score))

    def darkness(self, label: int) -> float:
        """95th percentile of the ink in a component, at least 1."""
        left, top, width, height = self.stats[label, :4].tolist()
        values = self.ink[top : top + height, left : left + width][self._inside(label, left, top, width, height)]
        values.sort(kind="stable")  # of bytes a radix sort, at half the time of a partition
        return max(float(values[int(0.95 * (len(values) - 1))]), 1.0)

    def mask_of(self, chosen: list[int]) -> tuple[Mask, Box]:
        """A mask of the chosen components, dilated by a pixel, and its box."""
        boxes = self.stats[chosen, :4].tolist()
        left = max(min(x for x, _, _, _ in boxes) - 1, 0)
        top = max(min(y for _, y, _, _ in boxes) - 1, 0)
        right = max(x + w for x, _, w, _ in boxes)
        bottom = max(y + h for _, y, _, h in boxes)
        width, height = min(right + 1, self.ink.shape[1]) - left, min(bottom + 1, self.ink.shape[0]) - top
        mask = np.zeros((height, width), np.uint8)
        for label, (x, y, w, h) in zip(chosen, boxes, strict=True):
            mask[y - top : y - top + h, x - left : x - left + w] |= self._inside(label, x, y, w, h)
        return cv2.dilate(mask, square(3)), (left, top, width, height)

    def touches_both_edges(self, label: int) -> bool:
        """Whether a component spans the picture from edge to edge, as ruling does."""
        height, width = self.ink.shape
        _, _, w, h, _ = self.stats[label].tolist()
        return bool(w >= 0.97 * width or h >= 0.97 * height)

    def group(self, seed: int) -> list[int]:
        """Labels of the seed and of components nearby, large enough to be its strokes."""
        if self.count == 1:
            return [seed]
        left, top, width, height, area = self.stats[seed].tolist()
        right, bottom = left + width, top + height
        chosen = [seed]
        large = np.flatnonzero(self.stats[1:, cv2.CC_STAT_AREA] >= 0.04 * area) + 1
        candidates = {label: self.stats[label].tolist() for label in large.tolist() if label != seed}
        grown = True
        while grown:
            grown = False
            reach = 0.2 * max(right - left, bottom - top)
            for label, (x, y, w, h, _) in list(candidates.items()):
                is_near = left - reach < x + w / 2 < right + reach
                if is_near and top - reach < y + h / 2 < bottom + reach:
                    chosen.append(label)
                    del candidates[label]
                    left, right = min(left, x), max(right, x + w)
                    top, bottom = min(top, y), max(bottom, y + h)
                    grown = True
            # A page of writing is not one digit: grow once along the strokes, not across the page.
            if len(chosen) > MAX_GROUP:
                break
        return chosen

    def _inside(self, label: int, x: int, y: int, w: int, h: int) -> npt.NDArray[np.bool_]:
        """Where a component is within a box."""
        column, row = x - self.origin[0], y - self.origin[1]
        return self.labels[row : row + h, column : column + w] == label

    def _mass(self) -> npt.NDArray[np.float64]:
        """Sum of the ink in each component."""
        height, width = self.labels.shape
        left, top = self.origin
        weights = self.ink[top : top + height, left : left + width].ravel().astype(np.float64)
        return np.bincount(self.labels.ravel(), weights, len(self.stats)).astype(np.float64)

    def _border(self) -> npt.NDArray[np.intp]:
        """Number of pixels of each component on the border of the picture."""
        labels, (left, top), (rows, columns) = self.labels, self.origin, self.ink.shape
        sides = [
            side
            for on_border, side in (
                (top == 0, labels[0]), (top + labels.shape[0] == rows, labels[-1]),
                (left == 0, labels[:, 0]), (left + labels.shape[1] == columns, labels[:, -1]),
            )
            if on_border
        ]  # fmt: skip
        count = len(self.stats)
        return sum((np.bincount(side, minlength=count) for side in sides), np.zeros(count, np.intp))
