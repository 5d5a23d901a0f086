"""One picture in many kinds of file: modes, codings, frames, metadata."""

import struct
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from loadtests.hostile.files import png_chunk
from models.image.decode import open_picture
from tests.support.images.pictures import encoded, landscape

open_picture(encoded(landscape(8, 8)), 8)  # registers HEIF, so that Pillow can write it

MODES = (
    *((mode, "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    *((mode, "TIFF") for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK")),
    *((mode, "TIFF") for mode in ("YCbCr", "LAB", "I", "I;16", "I;16B", "F")),
    ("CMYK", "JPEG"), ("L", "JPEG"), ("YCbCr", "JPEG"), ("RGBA", "WEBP"), ("RGBA", "AVIF"), ("L", "AVIF"),
    ("RGBA", "HEIF"), ("L", "HEIF"),
    ("1", "BMP"), ("L", "BMP"), ("P", "BMP"), ("RGBA", "BMP"), ("P", "GIF"),
)  # fmt: skip
"""Pillow's modes, each with a format that keeps it."""

DESCRIBED = ("PNG", "JPEG", "WEBP", "TIFF", "HEIF", "AVIF")
"""Formats that carry EXIF and colour profiles."""

ANIMATED = ("GIF", "WEBP", "PNG", "TIFF", "AVIF", "HEIF")
"""Formats with several frames or pages."""

STORED: Mapping[int, Image.Transpose | None] = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a camera stores an upright scene under each EXIF orientation."""

_PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PROFILES = {
    "srgb": _PROFILE, "no-profile": b"no profile", "broken-off": _PROFILE[:100], "zeros": bytes(500_000),
}  # fmt: skip

BROKEN_EXIF = {
    "garbage": b"Exif\0\0garbage",
    "no-directory": b"Exif\0\0II*\0\xff\xff\xff\xff",
    "endless": b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",
}
WITH_BROKEN_EXIF = tuple(
    (kind, name)
    for kind in DESCRIBED
    for name in BROKEN_EXIF
    if (kind, name) not in (("TIFF", "garbage"), ("AVIF", "garbage"))  # which Pillow does not write
)

LARGE = 10 * 2**20


def in_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image in one of Pillow's modes.

    Deep grey has thousands of steps; F has hundreds from 0 to 1.
    """
    grey = np.asarray(image.convert("L"))
    if mode == "F":
        return Image.fromarray(grey.astype(np.float32) / 255)
    if mode.startswith("I"):
        # Pillow does not convert colours to these.
        deep = Image.fromarray(grey.astype(np.uint16) * 100)
        return deep if mode == "I;16" else deep.convert("I").convert(mode)
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        return ImageCms.profileToProfile(image, *profiles, outputMode="LAB")
    between = {"PA": "P", "RGBX": "RGB"}.get(mode)
    return (image.convert(between) if between else image).convert(mode)


def seen_in(image: Image.Image, mode: str) -> Image.Image:
    """The image in RGB after a mode; deep grey is stretched from black to white."""
    if mode[0] in "IF":
        return ImageOps.autocontrast(image.convert("L")).convert("RGB")
    return in_mode(image, mode).convert("RGB")


def turned(image: Image.Image, kind: str, orientation: int, **options: object) -> bytes:
    """The image stored so that its orientation makes it upright.

    HEIF stores it as properties, as phones do.
    """
    turn = STORED.get(orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = image if turn is None else image.transpose(turn)
    return encoded(stored, kind, exif=exif.tobytes(), **options)


def animated(frames: Sequence[Image.Image], kind: str) -> bytes:
    """A file with several frames."""
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


def progressive(image: Image.Image) -> bytes:
    """A progressive JPEG."""
    return encoded(image, "JPEG", progressive=True)


def arithmetic(image: Image.Image) -> bytes:
    """A baseline JPEG with the frame header of arithmetic coding (SOF9).

    The arithmetic decoder makes some picture of any bits.
    """
    baseline = encoded(image, "JPEG")
    assert baseline.count(b"\xff\xc0\0\x11") == 1
    return baseline.replace(b"\xff\xc0\0\x11", b"\xff\xc9\0\x11")


def _png_text(image: Image.Image) -> bytes:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", "x" * LARGE)
    return encoded(image, pnginfo=text)


def _jpeg_segments(image: Image.Image) -> bytes:
    whole = encoded(image, "JPEG")
    kinds = (b"\xff\xe2ICC_", b"\xff\xe1http", b"\xff\xed8BIM", b"\xff\xfe")
    segments = (
        kinds[n % 4][:2] + struct.pack(">H", 65_002) + kinds[n % 4][2:].ljust(65_000, b"a")
        for n in range(160)
    )
    return whole[:2] + b"".join(segments) + whole[2:]


def _gif_comment(image: Image.Image) -> bytes:
    return encoded(image, "GIF", comment=b"a" * LARGE)


def _png_exif(image: Image.Image) -> bytes:
    """A directory with 10 MB of maker's notes, and an orientation that is used."""
    entries = struct.pack("<HHHIHHHHII", 2, 0x0112, 3, 1, 3, 0, 0x927C, 7, LARGE, 38)
    whole = encoded(image.transpose(STORED[3]))
    chunk = png_chunk(b"eXIf", b"II*\0\x08\0\0\0" + entries + bytes(4) + bytes(LARGE))
    return whole[:33] + chunk + whole[33:]


def _with_xmp(kind: str) -> Callable[[Image.Image], bytes]:
    xmp = b"<x:xmpmeta>" + b"a" * LARGE
    options = {"tiffinfo": {700: xmp}} if kind == "TIFF" else {"xmp": xmp}
    return lambda image: encoded(image, kind, **options)


HEAVY: Mapping[str, Callable[[Image.Image], bytes]] = {
    "png-text": _png_text,
    "png-exif": _png_exif,
    "jpeg-segments": _jpeg_segments,
    "gif-comment": _gif_comment,
    **{f"{kind.lower()}-xmp": _with_xmp(kind) for kind in ("WEBP", "TIFF", "HEIF", "AVIF")},
}
"""Writers of a file with 10 MB of metadata, by name."""
