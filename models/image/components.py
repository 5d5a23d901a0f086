"""The connected pieces of ink on a picture: which is the digit, and what belongs to it."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
"""uint8 (height, width)."""

Box = tuple[int, int, int, int]
"""left, top, width, height, in pixels."""


@dataclass(frozen=True)
class Pieces:
    """The connected pieces of a mask; piece 0 is the paper.

    shape: (height, width) of the mask. labels: uint16, the part of it where pieces are; its top left
    corner is `origin` (left, top). stats: int32 (pieces, 5), left, top, width, height, area.
    mass: ink in each piece. edge: how many of its pixels lie on the picture's edge.
    """

    shape: tuple[int, ...]
    labels: npt.NDArray[np.uint16]
    origin: tuple[int, int]
    stats: npt.NDArray[np.int32]
    mass: npt.NDArray[np.float64]
    edge: npt.NDArray[np.intp]

    @staticmethod
    def of(ink: Grey, mask: Grey) -> "Pieces":
        # Most pages are mostly paper: labelling what is around the ink takes a third of the time.
        left, top, width, height = cv2.boundingRect(mask)
        width, height = max(width, 1), max(height, 1)
        around = np.s_[top : top + height, left : left + width]
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            mask[around], connectivity=8, ltype=cv2.CV_16U
        )
        stats[:, :2] += (left, top)
        if count > 2:
            weights = ink[around].ravel().astype(np.float64)
            mass = np.bincount(labels.ravel(), weights, count).astype(np.float64)
        else:
            mass = np.ones(count)  # a single piece needs no weighing
        rows, columns = mask.shape
        rim = [
            side
            for touches, side in (
                (top == 0, labels[:1]), (top + height == rows, labels[-1:]),
                (left == 0, labels[:, :1]), (left + width == columns, labels[:, -1:]),
            )
            if touches
        ]  # fmt: skip
        edge = sum((np.bincount(side.ravel(), minlength=count) for side in rim), np.zeros(count, np.intp))
        return Pieces(mask.shape, labels, (left, top), stats, mass, edge)

    @property
    def count(self) -> int:
        return len(self.stats) - 1

    def main(self) -> int:
        """The piece with the most ink, where what lies along the edge (a table, the end of the
        page) counts less."""
        around = 2 * (self.stats[:, cv2.CC_STAT_WIDTH] + self.stats[:, cv2.CC_STAT_HEIGHT])
        score = self.mass * np.clip(1 - 2 * self.edge / np.maximum(around, 1), 0.02, 1)
        score[0] = -1
        return int(np.argmax(score))

    def darkness(self, ink: Grey, piece: int) -> float:
        x, y, w, h = self.stats[piece, :4]
        column, row = x - self.origin[0], y - self.origin[1]
        inside = self.labels[row : row + h, column : column + w] == piece
        inked = ink[y : y + h, x : x + w][inside]
        rank = int(0.95 * (len(inked) - 1))
        return max(float(np.partition(inked, rank)[rank]), 1.0)

    def cut(self, chosen: list[int]) -> tuple[Grey, Box]:
        """Where the chosen pieces are: 1 on them and on the pixels around them, and its box."""
        boxes = self.stats[chosen, :4].tolist()
        left = max(min(x for x, _, _, _ in boxes) - 1, 0)
        top = max(min(y for _, y, _, _ in boxes) - 1, 0)
        right = max(x + w for x, _, w, _ in boxes)
        bottom = max(y + h for _, y, _, h in boxes)
        width, height = min(right + 1, self.shape[1]) - left, min(bottom + 1, self.shape[0]) - top
        mask = np.zeros((height, width), np.uint8)
        wanted = np.zeros(len(self.stats), np.uint8)
        wanted[chosen] = 1
        x, y = self.origin
        labels = self.labels[max(top - y, 0) : bottom - y, max(left - x, 0) : right - x]
        row, column = max(y - top, 0), max(x - left, 0)
        mask[row : row + labels.shape[0], column : column + labels.shape[1]] = wanted[labels]
        return cv2.dilate(mask, np.ones((3, 3), np.uint8)), (left, top, width, height)

    def touches_both_edges(self, piece: int) -> bool:
        """Goes from one edge of the picture to the opposite one, as ruling does."""
        height, width = self.shape
        w, h = self.stats[piece, 2:4]
        return bool(w >= 0.97 * width or h >= 0.97 * height)

    def group(self, seed: int) -> list[int]:
        """The seed and the pieces close by that are large enough to be strokes of the same digit."""
        left, top, width, height, area = self.stats[seed]
        right, bottom = left + width, top + height
        chosen = [seed]
        waiting = [piece for piece in range(1, len(self.stats)) if piece != seed
                   and self.stats[piece, 4] >= 0.04 * area]  # fmt: skip
        grown = True
        while grown:
            grown = False
            reach = 0.2 * max(right - left, bottom - top)
            for piece in list(waiting):
                x, y, w, h, _ = self.stats[piece]
                inside = left - reach < x + w / 2 < right + reach
                if inside and top - reach < y + h / 2 < bottom + reach:
                    chosen.append(piece)
                    waiting.remove(piece)
                    left, right = min(left, x), max(right, x + w)
                    top, bottom = min(top, y), max(bottom, y + h)
                    grown = True
            # A page of writing is not one digit: grow once along the strokes, not across the page.
            if len(chosen) > 8:
                break
        return chosen
