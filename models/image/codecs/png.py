"""Plain PNGs: 8 bits a channel, grey or colours, with or without alpha, not interlaced.

Chunks: https://www.w3.org/TR/png-3/
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import cv2

from models.image.codecs import opencv
from models.image.codecs.opencv import Span
from models.image.colour import Picture, on_paper

SIGNATURE = b"\x89PNG\r\n\x1a\n"
START = SIGNATURE + b"\0\0\0\x0dIHDR"
"""The header chunk comes first and has 13 bytes."""

HEADER_END = len(START) + 13 + 4

MAX_CHUNKS = 1_000
"""More of them are left to Pillow, whose reads are bounded (models/image/bounded_reader.py)."""

FLAGS = {0: cv2.IMREAD_GRAYSCALE, 2: cv2.IMREAD_COLOR_RGB, 6: cv2.IMREAD_UNCHANGED}
"""OpenCV's flags by colour type: grey, RGB, and RGB with alpha, which comes as BGRA."""

HARMLESS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9, b"tIME": 7}
"""Chunks that Pillow reads and does not use, with their lengths. Others may turn or blend the picture."""

_HEADER = struct.Struct(">IIBBBBB")
_LENGTH_AND_KIND = struct.Struct(">I4s")


@dataclass(frozen=True, slots=True)
class PlainPng:
    """A PNG that OpenCV decodes to the pixels that Pillow decodes it to.

    Attributes:
        width: In pixels, at least 1.
        height: In pixels, at least 1.
        colour_type: 0 grey, 2 RGB, 6 RGB with alpha.
        data: The file.
        kept: The parts of the file that matter; OpenCV would parse the others, and warn of them.
    """

    SCALES: ClassVar = (1,)
    """Averages of pixels would be rounded in another way than Pillow's."""

    is_plain: ClassVar = True

    width: int
    height: int
    colour_type: int
    data: bytes
    kept: Sequence[Span]

    def decoded(self, _: int) -> Picture | None:
        """The picture, transparent parts on contrasting paper; None where the file is broken."""
        pixels = opencv.decode(self.data, self.kept, FLAGS[self.colour_type])
        if pixels is None or pixels.shape[:2] != (self.height, self.width):
            return None
        return on_paper(pixels, cv2.COLOR_BGRA2RGB) if pixels.shape[2:] == (4,) else pixels


def plain(data: bytes) -> PlainPng | None:
    """Read the header and all chunks but the pixels; None where the file is not plain, or broken."""
    if not data.startswith(START) or len(data) < HEADER_END:
        return None
    width, height, depth, colour_type, *methods = _HEADER.unpack_from(data, len(START))
    is_plain = (
        depth == 8
        and colour_type in FLAGS
        and methods == [0, 0, 0]  # compression, filter, interlace: none
        and width > 0
        and height > 0
        and _is_intact(data, len(SIGNATURE), HEADER_END)
    )
    kept = _needed(data) if is_plain else None
    return None if kept is None else PlainPng(width, height, colour_type, data, kept)


def pixel_count(data: bytes) -> int | None:
    """Width times height by the header, None where there is none."""
    if not data.startswith(START) or len(data) < HEADER_END:
        return None
    width, height, *_ = _HEADER.unpack_from(data, len(START))
    return width * height


def _needed(data: bytes) -> list[Span] | None:
    """The header, the pixels and the end; None where there is anything that is not harmless."""
    kept = [(0, HEADER_END)]
    position, pixels_end = HEADER_END, 0
    for _ in range(MAX_CHUNKS):
        if position + 12 > len(data):
            return None
        length, kind = _LENGTH_AND_KIND.unpack_from(data, position)
        end = position + 12 + length
        if end > len(data):
            return None
        if kind == b"IDAT":
            if pixels_end not in (0, position):  # Pillow reads the first run of them
                return None
            pixels_end = end
            kept.append((position, end))
        elif kind == b"IEND":  # what follows, nobody reads
            return [*kept, (position, end)] if pixels_end and length == 0 else None
        elif HARMLESS.get(kind) != length or not _is_intact(data, position, end):
            return None
        position = end
    return None


def _is_intact(data: bytes, start: int, end: int) -> bool:
    """Whether a chunk's checksum is right."""
    return zlib.crc32(data[start + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")
