"""Bytes to a picture: formats, limits, orientation.

A picture is uint8, upright, RGB (height, width, 3) or grey (height, width); a view (models/image/views.py)
makes pixels of it. Faults of an upload are raised as `PictureError`. Pillow judges and decodes; OpenCV takes
less time for plain PNGs and baseline JPEGs and gives the same pixels (models/image/codecs).

Formats, limits and the reduced-scale JPEG decoding: https://pillow.readthedocs.io/en/stable/
"""

import warnings
from collections.abc import Callable, Mapping
from typing import Literal, get_args

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from models.image.bounded_reader import MAX_UNCHECKED_BYTES, check_tiff, open_bounded
from models.image.codecs import jpeg, png
from models.image.colour import Picture as Picture
from models.image.colour import averageable, to_picture

Format = Literal["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF"]

FORMATS: tuple[Format, ...] = get_args(Format)
"""The only Pillow plugins that read the bytes of an upload."""

MAX_PIXELS = 50_000_000
"""Phone cameras reach 50 megapixels; as RGB that is 150 MB."""

CODEC_BYTES = 2**20
"""About what a codec allocates beside the pixels."""

EXIF_ORIENTATION = 0x0112

UPRIGHT: Mapping[object, Callable[[Picture], Picture]] = {
    2: lambda stored: cv2.flip(stored, 1),
    3: lambda stored: cv2.rotate(stored, cv2.ROTATE_180),
    4: lambda stored: cv2.flip(stored, 0),
    5: lambda stored: cv2.transpose(stored),
    6: lambda stored: cv2.rotate(stored, cv2.ROTATE_90_CLOCKWISE),
    7: lambda stored: cv2.rotate(cv2.transpose(stored), cv2.ROTATE_180),
    8: lambda stored: cv2.rotate(stored, cv2.ROTATE_90_COUNTERCLOCKWISE),
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
        uint8 (height, width, 3), RGB, or (height, width) for a grey file, turned upright by its EXIF
        orientation; transparent parts show paper that contrasts with the drawing.

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
        codec = _codec(data, max_pixels, formats)
        if codec is not None and codec.is_plain:
            picture = _decoded(codec, shorter_side)
            if picture is not None:
                return picture
        check_tiff(data, max_pixels)
        with Image.open(open_bounded(data), formats=formats) as image:
            pixels = image.width * image.height
            if pixels > max_pixels:
                raise _too_large(max_pixels)
            picture = _decoded(codec, shorter_side) if codec is not None and not codec.is_plain else None
            if picture is None:
                picture = to_picture(_downscaled(image, shorter_side))
            turn = UPRIGHT.get(_orientation(image))
            return picture if turn is None else turn(picture)
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


def pixel_count(data: bytes) -> int | None:
    """Pixels of a PNG or JPEG by its header, in microseconds; None where it has none near its beginning."""
    if data.startswith(png.START):
        return png.pixel_count(data)
    return jpeg.pixel_count(data) if data.startswith(jpeg.START) else None


def _codec(
    data: bytes, max_pixels: int, formats: tuple[Format, ...]
) -> png.PlainPng | jpeg.BaselineJpeg | None:
    """What decodes the file faster than Pillow; None for most kinds of files and what is to be refused."""
    codec: png.PlainPng | jpeg.BaselineJpeg | None = None
    if "PNG" in formats:
        codec = png.plain(data)
    if codec is None and "JPEG" in formats:
        codec = jpeg.baseline(data)
    return codec if codec is not None and codec.width * codec.height <= max_pixels else None


def _decoded(codec: png.PlainPng | jpeg.BaselineJpeg, shorter_side: int) -> Picture | None:
    """The picture as stored, at the scale that Pillow takes; None where only Pillow can."""
    factor = _reduction((codec.width, codec.height), shorter_side)
    scale = next(scale for scale in codec.SCALES if scale <= factor)
    if _reduction((-(-codec.width // scale), -(-codec.height // scale)), shorter_side) > 1:
        return None
    return codec.decoded(scale)


def _downscaled(image: Image.Image, shorter_side: int) -> Image.Image:
    """The loaded image, or means of square blocks of its pixels if there are more than needed."""
    image.draft(None, (2 * shorter_side, 2 * shorter_side))
    image.load()  # a TIFF turns itself upright while it loads
    factor = _reduction(image.size, shorter_side)
    return image if factor == 1 else averageable(image).reduce(factor)


def _reduction(size: tuple[int, int], shorter_side: int) -> int:
    """The side of the blocks of pixels to average: every later step takes memory and time per pixel."""
    return max(min(size) // (2 * shorter_side), 1)


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
