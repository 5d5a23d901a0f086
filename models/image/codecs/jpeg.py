"""Baseline JPEGs: 8 bits a channel, Huffman-coded in one scan, grey or three colours.

Markers: https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from models.image.codecs import opencv
from models.image.codecs.opencv import Span
from models.image.colour import Picture

START = b"\xff\xd8\xff"

MAX_SEGMENTS = 128
"""Before the pixels. Cameras write ten to a few dozen; more are left to Pillow, whose reads are bounded."""

MAX_SEGMENTS_TO_COUNT = 12
"""So that a count takes less than 10 us."""

APP0, APP14, BASELINE_FRAME, COMMENT, END, QUANTISATION, SCAN = 0xE0, 0xEE, 0xC0, 0xFE, 0xD9, 0xDB, 0xDA
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
TABLES = frozenset({0xC4, QUANTISATION, 0xDD, APP0})
"""What decoding depends on: Huffman and quantisation tables, restart interval, JFIF."""

METADATA = frozenset(range(APP0 + 1, 0xF0)) - {APP14} | {COMMENT}
"""What OpenCV would parse and nobody needs. Adobe's APP14 is another thing: it changes the colours."""

BLOCK_BYTES = 2**18
"""Bytes searched for a marker at once, in a time that no content changes."""

SCALE_FLAGS = {
    1: 0,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
COLOUR_FLAGS = {1: cv2.IMREAD_GRAYSCALE, 3: cv2.IMREAD_COLOR_RGB}
"""OpenCV's flags by the number of channels; a scale's flag is grey unless a colour's is added."""


_SEGMENT = struct.Struct(">BBH")


@dataclass(frozen=True, slots=True)
class BaselineJpeg:
    """A JPEG that OpenCV decodes to what Pillow decodes it to, provided that Pillow opens it.

    Attributes:
        width: In pixels, at least 1.
        height: In pixels, at least 1.
        channels: 1 for grey, 3 for colours.
        data: The file.
        kept: The parts of the file that matter, without metadata.
        is_plain: Whether its header is so simple that Pillow does open it, and does not turn it.
    """

    SCALES: ClassVar = (8, 4, 2, 1)
    """Sides as fractions of the whole."""

    width: int
    height: int
    channels: int
    data: bytes
    kept: Sequence[Span]
    is_plain: bool

    def decoded(self, scale: int) -> Picture | None:
        """The picture as stored, sides divided by one of SCALES and rounded up; None where broken."""
        pixels = opencv.decode(self.data, self.kept, COLOUR_FLAGS[self.channels] | SCALE_FLAGS[scale])
        size = -(-self.height // scale), -(-self.width // scale)
        return pixels if pixels is not None and pixels.shape[:2] == size else None


def baseline(data: bytes) -> BaselineJpeg | None:
    """Read every segment's head and look for the end of the scan; None where it is not such a file."""
    if not data.startswith(START):
        return None
    kept: list[Span] = [(0, 2)]
    height = width = channels = 0
    is_plain = True
    for marker, start, end in segments(data, MAX_SEGMENTS):
        if marker == SCAN:
            scan_end = _scan_end(data, end) if data[start + 4] == channels else None
            if scan_end is None or not (height and width and channels in COLOUR_FLAGS):
                return None
            return BaselineJpeg(width, height, channels, data, [*kept, (start, scan_end)], is_plain)
        if marker == BASELINE_FRAME and not channels and end - start > 9:
            height, width, channels = *_sides(data, start), data[start + 9]
        elif marker not in TABLES and marker not in METADATA:
            return None
        is_plain = is_plain and _is_plain(marker, data, start, end)
        if marker not in METADATA:
            kept.append((start, end))
    return None


def pixel_count(data: bytes) -> int | None:
    """Width times height by the header of a JPEG of any kind, None where no header is near its beginning."""
    for marker, start, end in segments(data, MAX_SEGMENTS_TO_COUNT):
        if marker in FRAMES and end - start > 9:
            height, width = _sides(data, start)
            return width * height
    return None


def segments(data: bytes, most: int) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment up to the scan's header, while they follow one another."""
    position, size = 2, len(data)
    for _ in range(most):
        if position + 4 > size:
            return
        fill, marker, length = _SEGMENT.unpack_from(data, position)
        end = position + 2 + length
        if fill != 0xFF or marker < 0xC0 or 0xD0 <= marker <= END or length < 2 or end > size:
            return
        yield marker, position, end
        if marker == SCAN:
            return
        position = end


def _sides(data: bytes, start: int) -> tuple[int, int]:
    """Height and width in a frame's header."""
    return data[start + 5] << 8 | data[start + 6], data[start + 7] << 8 | data[start + 8]


def _is_plain(marker: int, data: bytes, start: int, end: int) -> bool:
    """Whether a segment is one that Pillow cannot stumble over."""
    if marker == APP0:  # JFIF with all its fields
        return end - start >= 18
    if marker == QUANTISATION:  # whole tables of bytes
        return (end - start - 4) % 65 == 0 and all(first < 16 for first in data[start + 4 : end : 65])
    if marker == BASELINE_FRAME:
        return data[start + 4] == 8 and end - start == 10 + 3 * data[start + 9]
    return marker not in METADATA or marker == COMMENT


def _scan_end(data: bytes, start: int) -> int | None:
    """The end of the picture, None where it breaks off or anything but restarts comes before its last marker.

    libjpeg fills up with grey where a scan is too short. Pillow then goes on to read what follows and refuses
    what is broken; OpenCV does not.
    """
    values = np.frombuffer(data, np.uint8)
    while start < len(data) - 1:
        block = values[start : start + BLOCK_BYTES]
        code = block[1:]
        is_marker = (
            (block[:-1] == 0xFF) & (code != 0) & ((code & 0xF8) != 0xD0)
        )  # neither stuffed nor a restart
        first = int(is_marker.argmax())
        if is_marker[first]:
            return start + first + 2 if code[first] == END else None
        start += len(code)  # the last byte may begin a marker
    return None
