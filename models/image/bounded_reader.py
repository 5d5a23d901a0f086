"""The bytes of a file as Pillow reads them, with an end to its patience.

Pillow makes Python objects of every block of a file, wanted or not: a file of nothing but empty blocks
takes thirty times its size in memory and minutes of time. Measured with 32 MiB on Pillow 13: markers of a
JPEG 1.1 GB, strips of a TIFF 2.1 GB and a minute. Nobody saves pictures like that.
"""

import io
import struct

MAX_UNCHECKED_BYTES = 64 * 2**10
"""Bytes up to which a file cannot hold enough blocks to matter."""

READS = 10_000
BYTES_A_READ = 64
"""A file may be read in so many small steps, and one more for so many of its bytes: comments of 255 bytes,
the smallest blocks that programs write by the thousand (GIF), take half of it."""

EXIF_BLOCKS = 16
"""Of 64 KiB each. Pillow joins them one by one, each time copying what it has."""

VALUES = 2**16
"""Numbers in one TIFF entry, at most: a strip for each row of a picture 65,536 rows high."""

_BYTES = (1, 2, 6, 7)
"""Types of TIFF values that stay one string of bytes."""

_TILE_SIDES = (322, 323)
_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "B", 8: "H", 9: "I", 16: "Q", 17: "Q"}
"""Whole numbers by their type; a negative side of a tile is as absurd as a very large one."""


class TooManyBlocks(ValueError):
    """The file has more blocks than a picture needs."""

    def __init__(self) -> None:
        super().__init__("it has more blocks of metadata than a picture needs")


class BoundedReader(io.BytesIO):
    """A file in memory. `read` raises TooManyBlocks where a picture would need far fewer calls."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads = READS + len(data) // BYTES_A_READ
        self._exif_blocks = EXIF_BLOCKS

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._reads -= 1
        if data.startswith(b"Exif\0\0"):
            self._exif_blocks -= 1
        if self._reads < 0 or self._exif_blocks < 0:
            raise TooManyBlocks
        return data


def open_bounded(data: bytes) -> io.BytesIO:
    """A file for Pillow. Small ones, the most, are read at full speed."""
    return BoundedReader(data) if len(data) > MAX_UNCHECKED_BYTES else io.BytesIO(data)


def check_tiff(data: bytes, max_pixels: int) -> None:
    """Look at the first directory of a TIFF file, or of an EXIF block, before Pillow unpacks it.

    Raises TooManyBlocks where an entry has more than VALUES numbers, or a tile more than max_pixels: libtiff
    fills a whole tile however small the picture is. Does nothing to what is no TIFF or breaks off.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return
    # The version number 43 is BigTIFF: to Pillow only where it is the third byte, to libtiff in either order.
    for big in {data[2:3] == b"+", b"+" in data[2:4]}:
        tile = sorted(_tile_sides(data, order, big))
        if len(tile) > 1 and tile[-1] * tile[-2] > max_pixels:
            raise TooManyBlocks


def _tile_sides(data: bytes, order: str, big: bool) -> list[int]:
    """Walks the first directory. Raises TooManyBlocks where an entry has more than VALUES numbers."""
    entry = struct.Struct(order + ("HHQ" if big else "HHI"))
    sides: list[int] = []
    try:
        (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)
        (entries,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
        at += 8 if big else 2
        for _ in range(entries):
            tag, kind, count = entry.unpack_from(data, at)
            if count > VALUES and kind not in _BYTES:
                raise TooManyBlocks
            if tag in _TILE_SIDES and kind in _NUMBERS:
                sides += struct.unpack_from(order + _NUMBERS[kind], data, at + entry.size)
            at += entry.size + (8 if big else 4)
    except struct.error:
        pass  # breaks off: Pillow will say so
    return sides
