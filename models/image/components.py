"""Connected components of ink: the digit, and what belongs to it."""

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

Ink = npt.NDArray[np.uint8]
"""uint8 (height, width): the amount of ink, 0 for bare paper."""

Mask = npt.NDArray[np.uint8]
"""uint8 (height, width): 1 inside, 0 outside."""

Box = tuple[int, int, int, int]
"""left, top, width, height, in pixels."""

Scalar = TypeVar("Scalar", bound=np.generic)

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
        labels: uint16, of the picture's shape.
        box: The mask's bounding box.
        stats: left, top, width, height and area of each component; of the background they mean nothing.
    """

    ink: Ink
    labels: npt.NDArray[np.uint16]
    box: Box
    stats: list[tuple[int, int, int, int, int]]

    @staticmethod
    def of(ink: Ink, mask: Mask) -> "Components":
        """Label the components of a mask of ink."""
        labels = np.zeros(mask.shape, np.uint16)
        # Most pages are mostly paper: labelling only the bounding box of the ink takes a third of the time.
        box = cv2.boundingRect(mask)
        left, top, width, _ = box
        if width == 0:
            return Components(ink, labels, box, [(0, 0, 0, 0, 0)])
        inside, labels_inside = cut(mask, box), cut(labels, box)
        count, _ = cv2.connectedComponents(inside, labels_inside, connectivity=8, ltype=cv2.CV_16U)
        if count == 2:  # the usual page, whose statistics would take longer than its labels
            stats = [(0, 0, 0, 0, 0), (*box, cv2.countNonZero(inside))]
        else:
            _, _, table, _ = cv2.connectedComponentsWithStats(
                inside, labels_inside, connectivity=8, ltype=cv2.CV_16U
            )
            stats = [(x + left, y + top, w, h, area) for x, y, w, h, area in table.tolist()]
        return Components(ink, labels, box, stats)

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
        labels, ink = cut(self.labels, self.box), cut(self.ink, self.box)
        score = np.bincount(labels.ravel(), ink.ravel().astype(np.float64), len(self.stats))
        rows = self.labels
        border = np.bincount(
            np.concatenate((rows[0], rows[-1], rows[:, 0], rows[:, -1])), minlength=len(score)
        )
        if border[1:].any():
            perimeter = np.array([2 * (w + h) for _, _, w, h, _ in self.stats])
            score *= np.clip(1 - 2 * border / np.maximum(perimeter, 1), 0.02, 1)
        score[0] = -1
        return int(score.argmax())

    def darkness(self, label: int) -> float:
        """95th percentile of the ink in a component, at least 1."""
        box = self.stats[label][:4]
        values = cut(self.ink, box)[cut(self.labels, box) == label]
        values.sort(kind="stable")  # of bytes a radix sort, in half the time of a partition
        return max(float(values[int(0.95 * (len(values) - 1))]), 1.0)

    def mask_of(self, chosen: list[int]) -> tuple[Mask, Box]:
        """A mask of the chosen components, dilated by a pixel, and its box."""
        rows, columns = self.labels.shape
        boxes = [self.stats[label] for label in chosen]
        left = max(min(x for x, _, _, _, _ in boxes) - 1, 0)
        top = max(min(y for _, y, _, _, _ in boxes) - 1, 0)
        right = min(max(x + w for x, _, w, _, _ in boxes) + 1, columns)
        bottom = min(max(y + h for _, y, _, h, _ in boxes) + 1, rows)
        box = (left, top, right - left, bottom - top)
        labels = cut(self.labels, box)
        if len(chosen) == 1:
            mask = (labels == chosen[0]).view(np.uint8)
        else:
            is_chosen = np.zeros(len(self.stats), np.uint8)
            is_chosen[chosen] = 1
            mask = is_chosen[labels]
        return cv2.dilate(mask, square(3)), box

    def touches_both_edges(self, label: int) -> bool:
        """Whether a component spans the picture from edge to edge, as ruling does."""
        height, width = self.labels.shape
        _, _, w, h, _ = self.stats[label]
        return w >= 0.97 * width or h >= 0.97 * height

    def group(self, seed: int) -> list[int]:
        """Labels of the seed and of components nearby, large enough to be its strokes."""
        if self.count == 1:
            return [seed]
        left, top, width, height, area = self.stats[seed]
        right, bottom = left + width, top + height
        chosen = [seed]
        candidates = [label for label in range(1, len(self.stats)) if label != seed
                      and self.stats[label][4] >= 0.04 * area]  # fmt: skip
        grown = True
        while grown:
            grown = False
            reach = 0.2 * max(right - left, bottom - top)
            for label in list(candidates):
                x, y, w, h, _ = self.stats[label]
                is_near = left - reach < x + w / 2 < right + reach
                if is_near and top - reach < y + h / 2 < bottom + reach:
                    chosen.append(label)
                    candidates.remove(label)
                    left, right = min(left, x), max(right, x + w)
                    top, bottom = min(top, y), max(bottom, y + h)
                    grown = True
            # A page of writing is not one digit: grow once along the strokes, not across the page.
            if len(chosen) > MAX_GROUP:
                break
        return chosen


def cut(picture: npt.NDArray[Scalar], box: Box) -> npt.NDArray[Scalar]:
    """The part of a picture inside a box, not copied."""
    left, top, width, height = box
    return picture[top : top + height, left : left + width]
