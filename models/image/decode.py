"""Bytes to a picture: formats, limits, orientation.

A picture is uint8 (height, width, 3), RGB, upright; a view (models/image/views.py) makes pixels of it. Faults
of an upload are raised as `PictureError`.

Formats, limits and the reduced-scale JPEG decoding: https://pillow.readthedocs.io/en/stable/
"""

import warnings
from collections.abc import Mapping
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from models.image.bounded_reader import MAX_UNCHECKED_BYTES, check_tiff, open_bounded
from models.image.colour import averageable, to_rgb

Picture = npt.NDArray[np.uint8]
"""uint8 (height, width, 3), RGB, upright."""

Format = Literal["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF"]

FORMATS: tuple[Format, ...] = get_args(Format)
"""The only Pillow plugins that read the bytes of an upload."""

MAX_PIXELS = 50_000_000
"""Phone cameras reach 50 megapixels; as RGB that is 150 MB."""

CODEC_BYTES = 2**20
"""About what a codec allocates beside the pixels."""

EXIF_ORIENTATION = 0x0112

UPRIGHT: Mapping[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The inverse of each EXIF orientation (Exif 2.32, section 4.6.4)."""


class PictureError(ValueError):
    """A picture that cannot be opened; the message says what to send instead.

    Attributes:
        reason: `format` (none of the formats), `size` (too many pixels) or `content` (broken).
    """

    def __init__(self, reason: Literal["format", "size", "content"], message: str) -> None:
        super().__init__(message)
        self.reason = reason


def open_picture(
    data: bytes, shorter_side: int, max_pixels: int = MAX_PIXELS, formats: tuple[Format, ...] = FORMATS
) -> Picture:
    """Decode the first frame of an image file.

    Args:
        data: The bytes of the file.
        shorter_side: Pixels needed on the shorter side. A larger picture is downscaled to a scale that keeps
            at least twice as many, a JPEG while it is decoded, which costs a fifth for a 12-megapixel photo
            (docs/log.md).
        max_pixels: Limit for one frame, checked against the header before anything is decoded.
        formats: The formats to accept.

    Returns:
        uint8 (height, width, 3), RGB, turned upright by its EXIF orientation; transparent parts show paper
        that contrasts with the drawing.

    Raises:
        PictureError: The file is not such a picture.
        MemoryError: There is not enough memory for the picture.
    """
    if not data:
        raise PictureError("content", "The file is empty; send the bytes of a picture.")
    _set_up_pillow()
    pixels = max_pixels  # until the header is read; WebP allocates them before it reports their number
    # WebP and GIF allocate all pixels before they report their number; Pillow checks this limit first.
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        check_tiff(data, max_pixels)
        with Image.open(open_bounded(data), formats=formats) as image:
            pixels = image.width * image.height
            if pixels > max_pixels:
                raise _too_large(max_pixels)
            image.draft(None, (2 * shorter_side, 2 * shorter_side))
            return to_rgb(_upright(_downscaled(image, shorter_side)))
    except PictureError:
        raise
    except UnidentifiedImageError:
        if "AVIF" in formats and data[4:12] in (b"ftypavif", b"ftypavis"):
            # Pillow's AVIF plugin does not identify a file that is truncated.
            raise PictureError("content", "The picture breaks off or is broken. Save it again.") from None
        raise PictureError("format", f"This is not a picture; send one of {', '.join(formats)}.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(max_pixels) from None
    except MemoryError:
        raise
    # Pillow's plugins raise whatever their parsers do: OSError, SyntaxError, struct.error, IndexError,
    # OverflowError. To the sender all of it means that the file is broken.
    except Exception as error:
        _check_memory(pixels)
        raise PictureError(
            "content", f"The picture is broken and will not decode: {error}. Save it again."
        ) from error


def pixel_count(data: bytes) -> int | None:
    """Pixels of a PNG, from its header alone; None where that is not known cheaply."""
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) < 24:
        return None
    return int.from_bytes(data[16:20], "big") * int.from_bytes(data[20:24], "big")


def _check_memory(pixels: int) -> None:
    """Raise MemoryError where another copy of the picture does not fit.

    A codec that gets no memory reports a broken file, or a bad configuration.
    """
    np.empty(4 * pixels + CODEC_BYTES, np.uint8)


def _set_up_pillow() -> None:
    """Register HEIF and import the plugins of FORMATS, at the first picture.

    Importing pillow_heif costs 10 ms. Without this, Pillow imports all its plugins at the first picture that
    is neither PNG nor JPEG, and loses for good those that it has no memory for at that time.
    """
    if "HEIF" not in Image.OPEN:
        import pillow_heif
        from PIL import AvifImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401

        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
        # Pillow puts odd metadata into the text of its warnings, and Python keeps each text for good.
        warnings.filterwarnings("ignore", module=r"PIL\.")


def _too_large(max_pixels: int) -> PictureError:
    return PictureError(
        "size",
        f"The picture has more than {max_pixels / 1e6:.0f} megapixels; scale it down.",
    )


def _downscaled(image: Image.Image, shorter_side: int) -> Image.Image:
    """Means of square blocks of pixels, if there are more than needed.

    Every later step takes memory and time per pixel.
    """
    image.load()  # a TIFF turns itself upright while it loads
    factor = min(image.size) // (2 * shorter_side)
    return image if factor < 2 else averageable(image).reduce(factor)


def _upright(image: Image.Image) -> Image.Image:
    transpose = UPRIGHT.get(_orientation(image))
    return image if transpose is None else image.transpose(transpose)


def _orientation(image: Image.Image) -> object:
    """The EXIF orientation, None if it cannot be read. No other field is used."""
    exif = image.info.get("exif", b"")
    try:
        if len(exif) > MAX_UNCHECKED_BYTES:
            check_tiff(exif.removeprefix(b"Exif\0\0"), MAX_PIXELS)
        orientation: object = image.getexif().get(EXIF_ORIENTATION)
        return orientation
    except Exception:
        return None
