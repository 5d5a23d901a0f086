"""PNGs and JPEGs of every kind, and what Pillow alone makes of them."""

import io
import struct
import zlib

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from loadtests.hostile.files import PNG_SIGNATURE, png_chunk
from models.image.colour import on_paper
from models.image.decode import FORMATS
from tests.support.images import kinds, pictures

Chunks = list[tuple[bytes, bytes]]


def by_pillow(data: bytes, side: int) -> npt.NDArray[np.uint8]:
    """The picture without OpenCV's decoders, RGB; raises what Pillow raises."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        image.draft(None, (2 * side, 2 * side))
        image.load()
        factor = min(image.size) // (2 * side)
        upright = ImageOps.exif_transpose(image if factor < 2 else image.reduce(factor))
        if upright.mode in ("LA", "RGBA"):
            return on_paper(np.asarray(upright.convert("RGBA")), cv2.COLOR_RGBA2RGB)
        return np.asarray(upright.convert("RGB"))


def chunks(data: bytes) -> Chunks:
    """Kind and body of each chunk of a PNG."""
    found, position = [], len(PNG_SIGNATURE)
    while position < len(data):
        length, kind = struct.unpack_from(">I4s", data, position)
        found.append((kind, data[position + 8 : position + 8 + length]))
        position += 12 + length
    return found


def joined(of: Chunks) -> bytes:
    """A PNG of chunks, with right checksums."""
    return PNG_SIGNATURE + b"".join(png_chunk(*chunk) for chunk in of)


def with_chunk(data: bytes, kind: bytes, body: bytes, at: int = 1) -> bytes:
    """A PNG with a chunk more, by default behind its header."""
    of = chunks(data)
    return joined([*of[:at], (kind, body), *of[at:]])


def in_pieces(data: bytes, size: int = 7) -> bytes:
    """A PNG with its pixels in many chunks."""
    return joined([
        (kind, body[start : start + size] if kind == b"IDAT" else body)
        for kind, body in chunks(data)
        for start in (range(0, len(body), size) if kind == b"IDAT" else (0,))
    ])  # fmt: skip


def interlaced(grey: npt.NDArray[np.uint8]) -> bytes:
    """A grey PNG by Adam7."""
    height, width = grey.shape
    starts = (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    )
    passes = (grey[top::down, left::right] for left, top, right, down in starts)
    rows = b"".join(b"\0" + row.tobytes() for part in passes if part.size for row in part)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 1)
    return joined([(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")])


def with_segment(data: bytes, marker: int, body: bytes) -> bytes:
    """A JPEG with a segment more, behind its first marker."""
    return data[:2] + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body + data[2:]


def _see_through(image: Image.Image) -> Image.Image:
    clear = image.convert("RGBA")
    clear.putalpha(image.convert("L"))
    return clear


def plain(image: Image.Image) -> dict[str, bytes]:
    """PNGs and JPEGs that Pillow need not look at."""
    grey, colour = (pictures.encoded(image.convert(mode)) for mode in ("L", "RGB"))
    jpegs = {
        f"{mode}-{name}": pictures.encoded(image.convert(mode), "JPEG", **options)
        for mode in ("L", "RGB")
        for name, options in {
            "jpeg": {}, "coarse": {"quality": 5}, "fine": {"quality": 98, "subsampling": 0},
            "halved": {"subsampling": 1}, "restarts": {"restart_marker_blocks": 1},
            "long-tables": {"qtables": "web_high"},
        }.items()
    }  # fmt: skip
    return jpegs | {
        "grey-png": grey,
        "colour-png": colour,
        "alpha-png": pictures.encoded(_see_through(image)),
        "opaque-png": pictures.encoded(image.convert("RGBA")),
        "png-in-pieces": in_pieces(colour),
        "png-gamma": with_chunk(grey, b"gAMA", struct.pack(">I", 12_345)),
        "png-time": with_chunk(colour, b"tIME", bytes(7), at=-1),
        "png-and-more": colour + b"more",
        "jpeg-and-more": jpegs["RGB-jpeg"] + b"\xff\xd8more",
        "jpeg-comment": with_segment(jpegs["RGB-jpeg"], 0xFE, b"a comment"),
    }


def judged(image: Image.Image) -> dict[str, bytes]:
    """JPEGs that OpenCV decodes after Pillow has judged them."""
    colour = pictures.encoded(image, "JPEG")
    return {
        **{f"jpeg-turned-{turn}": kinds.turned(image, "JPEG", turn) for turn in range(1, 9)},
        "jpeg-grey-turned": kinds.turned(image.convert("L"), "JPEG", 6),
        "jpeg-icc": pictures.encoded(image, "JPEG", icc_profile=kinds.PROFILES["srgb"]),
        "jpeg-xmp": with_segment(colour, 0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"),
        "jpeg-mpo": pictures.encoded(image, "MPO", save_all=True, append_images=[image]),
        "jpeg-broken-exif": pictures.encoded(image, "JPEG", exif=kinds.BROKEN_EXIF["garbage"]),
    }


def others(image: Image.Image) -> dict[str, bytes]:
    """PNGs and JPEGs that Pillow alone decodes."""
    grey, colour = (pictures.encoded(image.convert(mode)) for mode in ("L", "RGB"))
    jpeg = pictures.encoded(image, "JPEG")
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        **{f"png-{mode}": pictures.encoded(image.convert(mode)) for mode in ("1", "LA", "P")},
        "png-16": pictures.encoded(kinds.in_mode(image, "I;16")),
        "png-interlaced": interlaced(np.asarray(image.convert("L"))),
        "png-turned": kinds.turned(image, "PNG", 6),
        "png-turned-late": with_chunk(grey, b"eXIf", exif.tobytes()[6:], at=-1),
        "png-icc": pictures.encoded(image, icc_profile=kinds.PROFILES["srgb"]),
        "png-text": with_chunk(grey, b"tEXt", b"Comment\0a comment"),
        "png-key": pictures.encoded(image.convert("L"), transparency=0),
        "png-animated": kinds.animated([image, image.rotate(180)], "PNG"),
        "png-gamma-too-long": with_chunk(colour, b"gAMA", bytes(5)),
        "jpeg-progressive": kinds.progressive(image),
        "jpeg-arithmetic": kinds.arithmetic(image),
        "jpeg-cmyk": pictures.encoded(image.convert("CMYK"), "JPEG"),
        "jpeg-adobe-rgb": with_segment(jpeg, 0xEE, b"Adobe\0\x64\0\0\0\0\0"),
        "jpeg-junk": jpeg[:20] + b"junk" + jpeg[20:],
    }  # fmt: skip
