"""The connected pieces of ink on a picture: which is the digit, and what belongs to it."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
"""uint8 (height, width)."""


@dataclass(frozen=True)
class Pieces:
    """The connected pieces of a mask; piece 0 is the paper.

    labels: int32 (height, width). stats: int32 (pieces, 5), left, top, width, height, area.
    mass: ink in each piece. edge: how many of its pixels lie on the picture's edge.
    """

    labels: npt.NDArray[np.int32]
    stats: npt.NDArray[np.int32]
    mass: npt.NDArray[np.float64]
    edge: npt.NDArray[np.intp]

    @staticmethod
    def of(ink: Grey, mask: Grey) -> "Pieces":
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        inked = np.flatnonzero(mask)
        weights = ink.ravel()[inked].astype(np.float64)
        mass = np.bincount(labels.ravel()[inked], weights, count).astype(np.float64)
        rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
        return Pieces(labels, stats, mass, np.bincount(rim, minlength=count))

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
        inside = self.labels[y : y + h, x : x + w] == piece
        return max(float(np.percentile(ink[y : y + h, x : x + w][inside], 95)), 1.0)

    def mask(self, chosen: list[int]) -> Grey:
        """1 where one of the chosen pieces is."""
        wanted = np.zeros(len(self.stats), np.uint8)
        wanted[chosen] = 1
        return wanted[self.labels]

    def spans(self, piece: int) -> bool:
        """Goes from one edge of the picture to the opposite one, as ruling does."""
        height, width = self.labels.shape
        w, h = self.stats[piece, 2:4]
        return bool(w >= 0.97 * width or h >= 0.97 * height)

    def family(self, seed: int) -> list[int]:
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
