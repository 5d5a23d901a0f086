"""Bytes to a picture: which formats are opened, how many pixels are allowed, which way is up.

A picture is a uint8 array of shape (height, width, 3), RGB, upright. What becomes of it is the
view's business (models/image/views.py). Everything wrong with an upload ends here as a `PictureError`.

Formats, limits and the reduced-scale JPEG decoding: https://pillow.readthedocs.io/en/stable/
"""

import warnings
from collections.abc import Mapping
from typing import Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from models.image.bounded_reader import MAX_UNCHECKED_BYTES, check_tiff, open_bounded

Picture = npt.NDArray[np.uint8]

Format = Literal["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF"]

FORMATS: tuple[Format, ...] = get_args(Format)
"""The only Pillow plugins that ever see a byte of an upload."""

MAX_PIXELS = 50_000_000
"""Phone cameras end at 50 megapixels; as RGB that is 150 MB."""

CODEC_BYTES = 2**20
"""What codecs need beside the pixels, about."""


TURNS: Mapping[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each EXIF orientation (Exif 2.32, section 4.6.4)."""


class PictureError(ValueError):
    """A picture that cannot be opened; the message says what to send instead.

    reason: `format` (no picture format we open), `size` (too many pixels), `content` (broken).
    """

    def __init__(self, reason: Literal["format", "size", "content"], message: str) -> None:
        super().__init__(message)
        self.reason = reason


def open_picture(
    data: bytes, shorter_side: int, max_pixels: int = MAX_PIXELS, formats: tuple[Format, ...] = FORMATS
) -> Picture:
    """Decode the first frame of an image file.

    shorter_side: pixels the caller needs on the shorter side. A larger picture is shrunk to a scale that
    leaves at least twice as many, a JPEG while it is decoded: a 12-megapixel photo then costs a fifth
    (docs/log.md).
    max_pixels: of one frame, read from the header before anything is decoded. formats: all that is opened.
    Transparent parts show paper in contrast to what is drawn on it.

    Returns uint8 (height, width, 3), RGB, turned upright by its EXIF orientation.
    Raises PictureError, and MemoryError where there is no memory for the picture.
    """
    if not data:
        raise PictureError("content", "The file is empty; send the bytes of a picture.")
    _set_up_pillow()
    pixels = max_pixels  # until they are known; WebP takes memory for them before it says how many
    # Where a plugin must make room for all pixels to learn how many there are (WebP, GIF), it asks first.
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        check_tiff(data, max_pixels)
        with Image.open(open_bounded(data), formats=formats) as image:
            pixels = image.width * image.height
            if pixels > max_pixels:
                raise _too_large(max_pixels)
            image.draft(None, (2 * shorter_side, 2 * shorter_side))
            return _to_rgb(_upright(_shrunk(image, shorter_side)))
    except PictureError:
        raise
    except UnidentifiedImageError:
        if "AVIF" in formats and data[4:12] in (b"ftypavif", b"ftypavis"):
            # The one plugin that disowns a file that breaks off.
            raise PictureError("content", "The picture breaks off or is broken. Save it again.") from None
        raise PictureError("format", f"This is not a picture; send one of {', '.join(formats)}.") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(max_pixels) from None
    except MemoryError:
        raise
    # Pillow's plugins raise whatever their parser stumbled over: OSError, SyntaxError,
    # struct.error, IndexError, OverflowError. All of it means one thing to the sender.
    except Exception as error:
        _check_memory(pixels)
        raise PictureError(
            "content", f"The picture is broken and will not decode: {error}. Save it again."
        ) from error


def _check_memory(pixels: int) -> None:
    """Raises MemoryError where another copy of a picture has no place. A codec that gets no memory says that
    the file is broken, or badly configured."""
    np.empty(4 * pixels + CODEC_BYTES, np.uint8)


def _set_up_pillow() -> None:
    """Once, when the first picture comes: importing pillow_heif costs 10 ms.

    Pillow itself would import every plugin that it has, at the first picture that is neither PNG nor JPEG,
    and lose for ever those for which there was no memory at that time.
    """
    if "HEIF" not in Image.OPEN:
        import pillow_heif
        from PIL import AvifImagePlugin, TiffImagePlugin, WebPImagePlugin  # noqa: F401

        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
        # Pillow warns of odd metadata in as many words as there are oddities; Python prints each of them and
        # remembers it for ever.
        warnings.filterwarnings("ignore", module=r"PIL\.")


def _too_large(max_pixels: int) -> PictureError:
    return PictureError(
        "size",
        f"The picture has more than {max_pixels / 1e6:.0f} megapixels; scale it down.",
    )


def _shrunk(image: Image.Image, shorter_side: int) -> Image.Image:
    """Means of whole squares of pixels, where there are more than needed: whatever comes after takes memory
    and time for each pixel once more."""
    image.load()  # a TIFF turns itself while it loads
    factor = min(image.size) // (2 * shorter_side)
    if factor < 2:
        return image
    if image.has_transparency_data and image.mode not in ("LA", "RGBA"):
        image = image.convert("RGBA")
    elif image.mode in _WITH_MEANS:
        image = image.convert(_WITH_MEANS[image.mode])
    return image.reduce(factor)


_WITH_MEANS = {"1": "L", "P": "RGB", "I;16": "I", "I;16B": "I", "I;16L": "I"}
"""Modes whose values cannot be averaged as they are, or not by Pillow, and those to convert them to."""


def _upright(image: Image.Image) -> Image.Image:
    turn = TURNS.get(_orientation(image))
    return image if turn is None else image.transpose(turn)


def _orientation(image: Image.Image) -> object:
    """The EXIF orientation; None where there is none to be read. Only that: the rest is nobody's business."""
    exif = image.info.get("exif", b"")
    try:
        if len(exif) > MAX_UNCHECKED_BYTES:
            check_tiff(exif.removeprefix(b"Exif\0\0"), MAX_PIXELS)
        orientation: object = image.getexif().get(0x0112)
        return orientation
    except Exception:
        return None


def _to_rgb(image: Image.Image) -> Picture:
    if image.mode == "RGB":
        return np.asarray(image)
    if image.mode == "L" and not image.has_transparency_data:
        # The same pixels as Pillow's convert, which costs a third of what decoding a drawing does.
        return cv2.cvtColor(np.asarray(image), cv2.COLOR_GRAY2RGB)
    if image.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
        return _stretch(np.asarray(image, dtype=np.float32))
    if image.has_transparency_data:
        return _on_paper(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB"))


def _stretch(values: npt.NDArray[np.float32]) -> Picture:
    """16-bit and float pictures have no fixed white: their own extremes become black and white."""
    values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    grey = ((values - low) * (255.0 / max(high - low, 1e-6))).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _on_paper(rgba: npt.NDArray[np.uint8]) -> Picture:
    """Lay a transparent picture on white paper, or on black where what is drawn is itself light."""
    opacity = cv2.extractChannel(rgba, 3)
    if opacity.min() == 255:
        return cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB)
    alpha = cv2.cvtColor(opacity, cv2.COLOR_GRAY2RGB)
    on_black = cv2.multiply(cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), alpha, scale=1 / 255)
    drawn = float(cv2.sumElems(opacity)[0])
    lightness = 255 * sum(cv2.sumElems(on_black)) / 3 / max(drawn, 1.0)
    if lightness > 160 and opacity.min() < 128:
        return on_black
    return cv2.add(on_black, cv2.bitwise_not(alpha))
