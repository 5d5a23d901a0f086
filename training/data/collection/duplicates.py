"""Pictures that show the same: the same pixels, or nearly so after another scale or compression."""

import hashlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from training.data.collection.opening import Opened

MAX_DIFFERENCE = 3.0
"""Mean absolute difference of two thumbnails, in grey levels: JPEG qualities and scales differ by less."""

MIN_CONTRAST = 4.0
"""Standard deviation of a thumbnail, in grey levels; below it all blank pictures would look alike."""

BLOCK = 256
"""Pictures that are compared with all others at a time: 256 x 4,000 x 1,024 bytes would be a gigabyte."""

COARSE = 8
"""Pixels of a side of the thumbnails that are compared first."""


def same_pictures(opened: Opened) -> list[list[int]]:
    """Groups of two or more pictures with the same file or the same pixels, by their indices, each sorted."""
    by_content: dict[str, list[int]] = {}
    for index, digest in enumerate(opened.digests):
        content = digest.encode() if opened.errors[index] else opened.pixels[index].tobytes()
        by_content.setdefault(hashlib.sha256(content).hexdigest(), []).append(index)
    return [group for group in by_content.values() if len(group) > 1]


def near_duplicates(thumbnails: npt.NDArray[np.uint8]) -> list[tuple[int, int]]:
    """All pairs of pictures that look the same, the smaller index first.

    Args:
        thumbnails: uint8 (N, S, S), grey.
    """
    values = thumbnails.astype(np.float32).reshape(len(thumbnails), -1)
    contrast = values.std(axis=1) >= MIN_CONTRAST
    return [
        (first, second)
        for first, second in _candidates(thumbnails)
        if contrast[first] and np.abs(values[first] - values[second]).mean() <= MAX_DIFFERENCE
    ]


def _candidates(thumbnails: npt.NDArray[np.uint8]) -> Iterator[tuple[int, int]]:
    """Pairs whose coarse thumbnails are near enough: a mean of means differs by no more than the means."""
    count, side, _ = thumbnails.shape
    cells = thumbnails.reshape(count, COARSE, side // COARSE, COARSE, side // COARSE)
    coarse = cells.mean(axis=(2, 4), dtype=np.float32).reshape(count, -1)
    for start in range(0, count, BLOCK):
        block = coarse[start : start + BLOCK]
        near = np.zeros((len(block), count - start), np.float32)
        for cell in range(COARSE * COARSE):
            near += np.abs(block[:, cell, None] - coarse[None, start:, cell])
        for row, column in zip(*np.nonzero(near <= MAX_DIFFERENCE * COARSE * COARSE), strict=True):
            if row < column:
                yield start + int(row), start + int(column)


def clusters(count: int, pairs: list[tuple[int, int]]) -> npt.NDArray[np.intp]:
    """The cluster of each of `count` pictures, (count,): its smallest index; pairs are in one cluster."""
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return np.array([root(index) for index in range(count)], dtype=np.intp)
