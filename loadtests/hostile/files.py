"""Files made to harm their reader: large once opened, or endless.

They are written byte by byte, because no library saves such files. Layouts: PNG (W3C), GIF89a, TIFF 6.0,
JPEG (ITU T.81), RIFF WebP container, BMP (BITMAPINFOHEADER), ISO base media (HEIF, AVIF).
"""

import io
import struct
import zlib
from collections.abc import Mapping, Sequence

from PIL import Image

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
TINY_PX = 8
"""Pixels on a side of pictures that are harmful for another reason than their size."""


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """The file that Pillow writes of an image."""
    image.save(buffer := io.BytesIO(), kind, **options)
    return buffer.getvalue()


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of a PNG with its length and checksum."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, before: bytes = b"", pixels: bytes | None = None) -> bytes:
    """An RGB picture as PNG.

    Args:
        width: In its header.
        height: In its header.
        before: Chunks ahead of the pixels.
        pixels: Deflated; None for a black picture.
    """
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    if pixels is None:
        pixels = zlib.compress(bytes((3 * TINY_PX + 1) * TINY_PX))
    chunks = png_chunk(b"IHDR", header) + before + png_chunk(b"IDAT", pixels) + png_chunk(b"IEND", b"")
    return PNG_SIGNATURE + chunks


def tiff(entries: Mapping[int, tuple[str, Sequence[int]]], pixels: bytes = bytes(TINY_PX * TINY_PX)) -> bytes:
    """A TIFF of one directory, with its pixels behind it.

    Args:
        entries: By tag: H (SHORT) or I (LONG), and the values. Offset 0 in StripOffsets (273) or TileOffsets
            (324) stands for the start of the pixels.
        pixels: As the entries say they are encoded.
    """
    beside_at = 8 + 2 + 12 * len(entries) + 4
    size = sum(len(values) * struct.calcsize(form) for form, values in entries.values())
    start = beside_at + size
    directory, beside = b"", b""
    for tag, (form, values) in sorted(entries.items()):
        if tag in (273, 324):
            values = [start if value == 0 else value for value in values]
        packed = struct.pack(f"<{len(values)}{form}", *values)
        kind = {"H": 3, "I": 4}[form]
        if len(packed) > 4:
            directory += struct.pack("<HHII", tag, kind, len(values), beside_at + len(beside))
            beside += packed
        else:
            directory += struct.pack("<HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return (head + directory + bytes(4) + beside).ljust(start, b"\0") + pixels


def grey(width: int, height: int, compression: int = 1) -> dict[int, tuple[str, Sequence[int]]]:
    """Entries of a grey TIFF in one strip; compression 1: none, 5: LZW, 8: deflate."""
    return {
        256: ("I", [width]), 257: ("I", [height]), 258: ("H", [8]), 259: ("H", [compression]),
        262: ("H", [1]), 273: ("I", [0]), 277: ("H", [1]), 278: ("I", [height]),
        279: ("I", [TINY_PX * TINY_PX]),
    }  # fmt: skip


def webp_animation(width: int, height: int) -> bytes:
    """A canvas of any size with one small frame on it."""
    frame = encoded(Image.new("RGB", (TINY_PX, TINY_PX)), "WEBP", lossless=True)[12:]
    frame = bytes(6) + 2 * _three(TINY_PX - 1) + b"\x10\0\0\0" + frame
    body = b"VP8X" + struct.pack("<II", 10, 0x12) + _three(width - 1) + _three(height - 1)
    body += b"ANIM" + struct.pack("<I", 6) + bytes(6) + b"ANMF" + struct.pack("<I", len(frame)) + frame
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _three(number: int) -> bytes:
    return struct.pack("<I", number)[:3]


def jpeg(width: int, height: int, after: bytes = b"") -> bytes:
    """A small JPEG with another size in its frame header.

    Args:
        width: In the frame header.
        height: In the frame header.
        after: Segments after its first marker.
    """
    small = encoded(Image.new("RGB", (TINY_PX, TINY_PX)), "JPEG")
    at = small.index(b"\xff\xc0") + 5
    return b"\xff\xd8" + after + small[2:at] + struct.pack(">HH", height, width) + small[at + 4 :]


def gif(width: int, height: int, before: bytes = b"") -> bytes:
    """A small grey GIF on a screen of any size.

    Args:
        width: Of the screen.
        height: Of the screen.
        before: Blocks ahead of the picture.
    """
    pixels = (
        b"\x02\x16\x8c\x2d\x99\x87\x2a\x1c\xdc\x33\xa0\x02\x75\xec\x95\xfa\xa8\xde\x60\x8c\x04\x91\x4c\x01\0"
    )
    frame = b"," + struct.pack("<HHHHB", 0, 0, 10, 10, 0)
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + before + frame + pixels + b";"


def bmp(width: int, height: int) -> bytes:
    """A small BMP with another size in its header; a negative height is top-down."""
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 2835, 2835, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 192, 0, 0, 54) + header + bytes(192)


def with_ispe(data: bytes, width: int, height: int) -> bytes:
    """A HEIF or AVIF file with another size in its container than in its bitstream."""
    changed, at = bytearray(data), 0
    while (at := changed.find(b"ispe", at) + 1) > 0:
        changed[at + 7 : at + 15] = struct.pack(">II", width, height)
    return bytes(changed)


def too_many_pixels(side: int = 60_000) -> dict[str, bytes]:
    """Files with side x side pixels in the header; for HEIF and AVIF see the tests."""
    return {
        "png": png(side, side), "tiff": tiff(grey(side, side)), "tiff-deflate": tiff(grey(side, side, 8)),
        "jpeg": jpeg(side, side), "gif": gif(side, side), "bmp": bmp(side, side),
        "bmp-upside-down": bmp(side, -side), "webp": webp_animation(16_000, 16_000),
        "webp-canvas": webp_animation(16_000, 16_000)[:44],
    }  # fmt: skip


def too_many_blocks(size: int) -> dict[str, bytes]:
    """Files of about `size` bytes of tiny blocks, each an object to a reader."""
    tile = {**grey(TINY_PX, TINY_PX, 8), 322: ("I", [20_000]), 323: ("I", [20_000]), 324: ("I", [0])}
    tile[325] = ("I", [200_000])
    del tile[273], tile[278], tile[279]
    return {
        "png-chunks": png(TINY_PX, TINY_PX, png_chunk(b"abCd", b"") * (size // 12)),
        "png-texts": png(TINY_PX, TINY_PX, b"".join(_text(number) for number in range(size // 20))),
        "jpeg-markers": jpeg(TINY_PX, TINY_PX, b"\xff\xe3\0\2" * (size // 4)),
        "jpeg-exif": jpeg(TINY_PX, TINY_PX, b"\xff\xe1\0\x09Exif\0\0a" * (size // 11)),
        "gif-comments": gif(10, 10, b"!\xfe" + b"\2ab" * (size // 3) + b"\0"),
        "tiff-strips": tiff({**grey(TINY_PX, TINY_PX), 273: ("I", [100] * (size // 4)), 278: ("I", [1])}),
        "tiff-values": tiff({**grey(TINY_PX, TINY_PX), 258: ("H", [8] * (size // 2))}),
        "tiff-tile": tiff(tile, zlib.compress(bytes(40 * 2**20), 9)),
    }  # fmt: skip


def _text(number: int) -> bytes:
    return png_chunk(b"tEXt", b"%07d\0" % number)


def inflating() -> dict[str, bytes]:
    """PNGs with small chunks that inflate to 100 MB."""
    bomb = zlib.compress(bytes(100 * 2**20), 9)
    return {
        "png-iccp": png(TINY_PX, TINY_PX, png_chunk(b"iCCP", b"p\0\0" + bomb)),
        "png-ztxt": png(TINY_PX, TINY_PX, png_chunk(b"zTXt", b"k\0\0" + bomb)),
        "png-itxt": png(TINY_PX, TINY_PX, png_chunk(b"iTXt", b"k\0\1\0\0\0" + bomb)),
        "png-pixels": png(TINY_PX, TINY_PX, pixels=bomb),
    }
