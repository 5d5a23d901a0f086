"""Any of Pillow's modes to RGB: grey, palettes, deep grey, transparency."""

from collections.abc import Mapping

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

RGB = npt.NDArray[np.uint8]
"""uint8 (height, width, 3)."""

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


def to_rgb(image: Image.Image) -> RGB:
    """The image's pixels as RGB, transparent parts on contrasting paper."""
    if image.mode == "RGB":
        return np.asarray(image)
    if image.mode == "L" and not image.has_transparency_data:
        # Same pixels as Pillow's convert, which costs a third of what decoding a drawing does.
        return cv2.cvtColor(np.asarray(image), cv2.COLOR_GRAY2RGB)
    if image.mode in DEEP_MODES:
        return _stretch(np.asarray(image, dtype=np.float32))
    if image.has_transparency_data:
        return _on_paper(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB"))


def _stretch(values: npt.NDArray[np.float32]) -> RGB:
    """Deep grey has no fixed white: its minimum becomes black, its maximum white."""
    values = np.nan_to_num(values, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    grey = ((values - low) * (255.0 / max(high - low, 1e-6))).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def _on_paper(rgba: npt.NDArray[np.uint8]) -> RGB:
    """Lay a transparent picture on white paper, or a light drawing on black."""
    opacity = cv2.extractChannel(rgba, 3)
    if opacity.min() == 255:
        return cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB)
    alpha = cv2.cvtColor(opacity, cv2.COLOR_GRAY2RGB)
    on_black = cv2.multiply(cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), alpha, scale=1 / 255)
    total_opacity = float(cv2.sumElems(opacity)[0])
    lightness = 255 * sum(cv2.sumElems(on_black)) / 3 / max(total_opacity, 1.0)
    if lightness > 160 and opacity.min() < 128:
        return on_black
    return cv2.add(on_black, cv2.bitwise_not(alpha))
