"""The pixels of a collection: on disk, as thousands of pictures may be more than memory should hold."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.intp]


class Pixels:
    """uint8 (N, H, W, C), of which pictures are read as they are asked for."""

    def __init__(self, source: Path | npt.NDArray[np.uint8], rows: Rows | None = None) -> None:
        """Name the pictures.

        Args:
            source: An .npy file, or the pictures themselves where none could be written.
            rows: Which of its pictures these are, in order; all by default.
        """
        self._source = source
        self._rows = np.arange(len(self._stored())) if rows is None else rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | Rows | slice) -> npt.NDArray[np.uint8]:
        """Read one picture (H, W, C), or some (n, H, W, C)."""
        return np.array(self._stored()[self._rows[index]])

    def subset(self, index: Rows) -> "Pixels":
        """Some of them, none of which is read."""
        return Pixels(self._source, self._rows[index])

    def _stored(self) -> npt.NDArray[np.uint8]:
        if isinstance(self._source, np.ndarray):
            return self._source
        # Mapped for this one access: pages of a mapping that stays count as memory of the process.
        stored: npt.NDArray[np.uint8] = np.load(self._source, mmap_mode="r")
        return stored


def write_pixels(
    path: Path, pictures: Iterable[npt.NDArray[np.uint8]], shape: tuple[int, int, int, int]
) -> None:
    """Write an .npy file picture by picture: a mapped file would end the process where the disk is full.

    Args:
        path: Of the file.
        pictures: uint8 (H, W, C) each, as many as `shape` says.
        shape: (N, H, W, C).

    Raises:
        OSError: It cannot be written.
    """
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for picture in pictures:
            file.write(np.ascontiguousarray(picture).tobytes())
