"""Bounds on the blocks that Pillow reads from a file.

Pillow makes Python objects of every block of a file, used or not: a file of empty blocks takes thirty times
its size in memory, and minutes. Measured with 32 MiB on Pillow 13: markers of a JPEG 1.1 GB, strips of a TIFF
2.1 GB and a minute. Programs do not save pictures like that.
"""

import io
import struct

MAX_UNCHECKED_BYTES = 64 * 2**10
"""Files up to this size cannot hold enough blocks to matter."""

MIN_READS = 10_000
BYTES_PER_READ = 64
"""A file may be read in MIN_READS calls, and one more per BYTES_PER_READ bytes.

The smallest blocks that programs write by the thousand, GIF comments of 255 bytes, take half of it.
"""

MAX_EXIF_BLOCKS = 16
"""Of 64 KiB each. Pillow joins them one by one and copies all earlier ones each time."""

MAX_TIFF_VALUES = 2**16
"""Numbers in one TIFF entry: a strip per row of a picture 65,536 rows high."""

_BYTE_TYPES = (1, 2, 6, 7)
"""TIFF types whose values Pillow keeps as one string of bytes."""

_TILE_SIDES = (322, 323)
"""TIFF tags of a tile's width and length."""

_INTEGER_TYPES = {1: "B", 3: "H", 4: "I", 6: "B", 8: "H", 9: "I", 13: "I", 16: "Q", 17: "Q", 18: "Q"}
"""TIFF types that libtiff takes a tile's side from, offsets (13, 18) among them.

All are read as unsigned: a negative side is as bad as a huge one.
"""


class TooManyBlocks(ValueError):
    """The file has more blocks than a picture needs."""

    def __init__(self) -> None:
        super().__init__("it has more blocks of metadata than a picture needs")


class BoundedReader(io.BytesIO):
    """A file in memory whose number of reads is bounded."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self._reads_left = MIN_READS + len(data) // BYTES_PER_READ
        self._exif_blocks_left = MAX_EXIF_BLOCKS

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as BytesIO does.

        Raises:
            TooManyBlocks: No picture needs this many reads.
        """
        data = super().read(size)
        self._reads_left -= 1
        if data.startswith(b"Exif\0\0"):
            self._exif_blocks_left -= 1
        if self._reads_left < 0 or self._exif_blocks_left < 0:
            raise TooManyBlocks
        return data


def open_bounded(data: bytes) -> io.BytesIO:
    """A file object for Pillow; small files are read unbounded, at full speed."""
    return BoundedReader(data) if len(data) > MAX_UNCHECKED_BYTES else io.BytesIO(data)


def check_tiff(data: bytes, max_pixels: int) -> None:
    """Check the first directory of a TIFF file or EXIF block before Pillow unpacks it.

    libtiff fills a whole tile, however small the picture is. Data that is not TIFF, or is truncated, passes.

    Raises:
        TooManyBlocks: An entry has more than MAX_TIFF_VALUES numbers, or a tile more than max_pixels.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        return
    # Version 43 is BigTIFF: to Pillow only if it is the third byte, to libtiff in either byte order.
    for is_big in {data[2:3] == b"+", b"+" in data[2:4]}:
        tile = sorted(_tile_sides(data, order, is_big))
        if len(tile) > 1 and tile[-1] * tile[-2] > max_pixels:
            raise TooManyBlocks


def _tile_sides(data: bytes, order: str, is_big: bool) -> list[int]:
    """The tile sides in the first directory; raises TooManyBlocks as check_tiff does."""
    entry = struct.Struct(order + ("HHQ" if is_big else "HHI"))
    sides: list[int] = []
    try:
        (offset,) = struct.unpack_from(order + ("Q" if is_big else "I"), data, 8 if is_big else 4)
        (entries,) = struct.unpack_from(order + ("Q" if is_big else "H"), data, offset)
        offset += 8 if is_big else 2
        for _ in range(entries):
            tag, kind, count = entry.unpack_from(data, offset)
            if count > MAX_TIFF_VALUES and kind not in _BYTE_TYPES:
                raise TooManyBlocks
            if tag in _TILE_SIDES and kind in _INTEGER_TYPES:
                sides += struct.unpack_from(order + _INTEGER_TYPES[kind], data, offset + entry.size)
            offset += entry.size + (8 if is_big else 4)
    except struct.error:
        pass  # truncated: Pillow reports it
    return sides
