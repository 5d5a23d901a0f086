"""Any of Pillow's modes to RGB or grey: palettes, deep grey, transparency."""

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Picture = npt.NDArray[np.uint8]
"""uint8 (height, width, 3), RGB; or (height, width), grey."""

GREY_MODES = ("1", "L")

DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "F")
"""Grey of more than 8 bits."""

MODES_TO_AVERAGE: Mapping[str, str] = {"1": "L", "P": "RGB", "I;16": "I", "I;16B": "I", "I;16L": "I"}
"""Modes that Pillow cannot average, and the modes to average them in."""


def averageable(image: Image.Image) -> Image.Image:
    """The image in a mode that can be averaged; transparency becomes alpha."""
    if image.has_transparency_data and image.mode not in ("LA", "RGBA"):
        return image.convert("RGBA")
    if image.mode in MODES_TO_AVERAGE:
        return image.convert(MODES_TO_AVERAGE[image.mode])
    return image


def to_picture(image: Image.Image) -> Picture:
    """The image's pixels, transparent parts on contrasting paper."""
    if image.mode in DEEP_MODES:
        return _stretch(np.asarray(image, dtype=np.float32))
    if image.mode != "RGB" and image.has_transparency_data:
        return on_paper(np.asarray(image.convert("RGBA")), cv2.COLOR_RGBA2RGB)
    mode = "L" if image.mode in GREY_MODES else "RGB"
    return np.asarray(image if image.mode == mode else image.convert(mode))


def in_colour(picture: Picture) -> Picture:
    """Grey as RGB of three equal channels, RGB as it is."""
    return cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB) if picture.ndim == 2 else picture


def in_grey(picture: Picture) -> Picture:
    """RGB as its luminance, grey as it is."""
    return picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def _stretch(values: npt.NDArray[np.float32]) -> Picture:
    """Deep grey has no fixed white: its minimum becomes black, its maximum white."""
    values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    return ((values - low) * (255.0 / max(high - low, 1e-6))).astype(np.uint8)


def on_paper(pixels: npt.NDArray[np.uint8], to_rgb: int) -> Picture:
    """Lay a transparent picture on white paper, or a light drawing on black.

    Args:
        pixels: uint8 (height, width, 4), the last channel opacity.
        to_rgb: OpenCV's conversion of the pixels to RGB.
    """
    opacity = cv2.extractChannel(pixels, 3)
    if opacity.min() == 255:
        return cv2.cvtColor(pixels, to_rgb)
    alpha = cv2.cvtColor(opacity, cv2.COLOR_GRAY2RGB)
    on_black = cv2.multiply(cv2.cvtColor(pixels, to_rgb), alpha, scale=1 / 255)
    total_opacity = float(cv2.sumElems(opacity)[0])
    lightness = 255 * sum(cv2.sumElems(on_black)) / 3 / max(total_opacity, 1.0)
    if lightness > 160 and opacity.min() < 128:
        return on_black
    return cv2.add(on_black, cv2.bitwise_not(alpha))
