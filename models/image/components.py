"""Connected components of ink: the digit, and what belongs to it."""

from dataclasses import dataclass

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


@dataclass(frozen=True)
class Components:
    """The 8-connected components of a mask by label; label 0 is the background.

    Attributes:
        shape: (height, width) of the mask.
        labels: uint16, the labels inside the mask's bounding box.
        origin: (left, top) of that box.
        stats: int32 (components + 1, 5): left, top, width, height, area of each.
        mass: Sum of the ink in each; all ones if there is only one component.
        border: Number of pixels of each on the border of the picture.
    """

    shape: tuple[int, ...]
    labels: npt.NDArray[np.uint16]
    origin: tuple[int, int]
    stats: npt.NDArray[np.int32]
    mass: npt.NDArray[np.float64]
    border: npt.NDArray[np.intp]

    @staticmethod
    def of(ink: Ink, mask: Mask) -> "Components":
        """Label the components of a mask and weigh their ink."""
        # Most pages are mostly paper: labelling only the bounding box of the ink takes a third of the time.
        left, top, width, height = cv2.boundingRect(mask)
        width, height = max(width, 1), max(height, 1)
        box = np.s_[top : top + height, left : left + width]
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            mask[box], connectivity=8, ltype=cv2.CV_16U
        )
        stats[:, :2] += (left, top)
        if count > 2:
            weights = ink[box].ravel().astype(np.float64)
            mass = np.bincount(labels.ravel(), weights, count).astype(np.float64)
        else:
            mass = np.ones(count)  # one component needs no weighing
        rows, columns = mask.shape
        sides = [
            side
            for on_border, side in (
                (top == 0, labels[:1]), (top + height == rows, labels[-1:]),
                (left == 0, labels[:, :1]), (left + width == columns, labels[:, -1:]),
            )
            if on_border
        ]  # fmt: skip
        border = sum((np.bincount(side.ravel(), minlength=count) for side in sides), np.zeros(count, np.intp))
        return Components(mask.shape, labels, (left, top), stats, mass, border)

    @property
    def count(self) -> int:
        """Number of components, without the background."""
        return len(self.stats) - 1

    def main(self) -> int:
        """Label of the component with the most ink.

        Ink along the border counts less: it is a table, or the end of the page.
        """
        perimeter = 2 * (self.stats[:, cv2.CC_STAT_WIDTH] + self.stats[:, cv2.CC_STAT_HEIGHT])
        score = self.mass * np.clip(1 - 2 * self.border / np.maximum(perimeter, 1), 0.02, 1)
        score[0] = -1
        return int(np.argmax(score))

    def darkness(self, ink: Ink, label: int) -> float:
        """95th percentile of the ink in a component, at least 1."""
        x, y, w, h = self.stats[label, :4]
        column, row = x - self.origin[0], y - self.origin[1]
        inside = self.labels[row : row + h, column : column + w] == label
        values = ink[y : y + h, x : x + w][inside]
        rank = int(0.95 * (len(values) - 1))
        return max(float(np.partition(values, rank)[rank]), 1.0)

    def mask_of(self, chosen: list[int]) -> tuple[Mask, Box]:
        """A mask of the chosen components, dilated by a pixel, and its box."""
        boxes = self.stats[chosen, :4].tolist()
        left = max(min(x for x, _, _, _ in boxes) - 1, 0)
        top = max(min(y for _, y, _, _ in boxes) - 1, 0)
        right = max(x + w for x, _, w, _ in boxes)
        bottom = max(y + h for _, y, _, h in boxes)
        width, height = min(right + 1, self.shape[1]) - left, min(bottom + 1, self.shape[0]) - top
        mask = np.zeros((height, width), np.uint8)
        is_chosen = np.zeros(len(self.stats), np.uint8)
        is_chosen[chosen] = 1
        x, y = self.origin
        labels = self.labels[max(top - y, 0) : bottom - y, max(left - x, 0) : right - x]
        row, column = max(y - top, 0), max(x - left, 0)
        mask[row : row + labels.shape[0], column : column + labels.shape[1]] = is_chosen[labels]
        return cv2.dilate(mask, np.ones((3, 3), np.uint8)), (left, top, width, height)

    def touches_both_edges(self, label: int) -> bool:
        """Whether a component spans the picture from edge to edge, as ruling does."""
        height, width = self.shape
        w, h = self.stats[label, 2:4]
        return bool(w >= 0.97 * width or h >= 0.97 * height)

    def group(self, seed: int) -> list[int]:
        """Labels of the seed and of components nearby, large enough to be its strokes."""
        left, top, width, height, area = self.stats[seed]
        right, bottom = left + width, top + height
        chosen = [seed]
        candidates = [label for label in range(1, len(self.stats)) if label != seed
                      and self.stats[label, 4] >= 0.04 * area]  # fmt: skip
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
