"""A view turns a picture into the pixels a network takes: written once, for training and serving.

A picture is uint8 RGB (height, width, 3); pixels are uint8 (H, W, C). A view is a value with its
parameters, so it travels in the card. It never raises on a picture that opened: there is always an
answer, and the model's familiarity says what it is worth.
"""

from typing import Annotated, Literal, Protocol

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from models.image.decode import Picture
from models.image.ink import Digit, centre_of_mass, even_stroke, find_digit

Pixels = npt.NDArray[np.uint8]

SMALLEST_SIDE = 400
"""Pixels that decoding leaves of a page at least, so that a digit in its corner can be looked at."""

STROKE_WIDTH = 2.0
"""Pixels: what the strokes of a view of 20 pixels have at least; MNIST's have 2 to 4."""


class View(Protocol):
    """shape: (H, W, C) of the pixels. shorter_side: what decoding must leave of the picture."""

    @property
    def shape(self) -> tuple[int, int, int]: ...

    @property
    def shorter_side(self) -> int: ...

    def __call__(self, picture: Picture) -> Pixels: ...


class PhotoView(BaseModel):
    """The whole scene, upright: shorter side to `resize` pixels, then the `crop` in the centre.

    The same pixels as torchvision's Resize (bilinear, antialiased) and CenterCrop.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    recipe: Literal["photo"] = "photo"
    resize: Annotated[int, Field(ge=8, le=1024)] = 256
    crop: Annotated[int, Field(ge=8, le=1024)] = 192

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.crop, self.crop, 3)

    @property
    def shorter_side(self) -> int:
        return self.resize

    def __call__(self, picture: Picture) -> Pixels:
        height, width = picture.shape[:2]
        scale = self.resize / min(height, width)
        # Resizing only what the crop will keep: a 1 x 20000 picture stays cheap.
        side = self.crop / scale
        left, top = (width - side) / 2, (height - side) / 2
        box = (max(left, 0.0), max(top, 0.0), min(left + side, width), min(top + side, height))
        size = (round((box[2] - box[0]) * scale), round((box[3] - box[1]) * scale))
        image = Image.fromarray(picture).resize(
            (max(size[0], 1), max(size[1], 1)), Image.Resampling.BILINEAR, box=box
        )
        return _centred(np.asarray(image), self.shape)


class SquashView(BaseModel):
    """The whole picture, resized to `width` x `height` whatever its own shape is.

    Nothing is cut off and nothing is padded; what the network sees is somewhat wider or taller than it
    was. The same pixels as torchvision's Resize((height, width)), bilinear and antialiased.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    recipe: Literal["squash"] = "squash"
    width: Annotated[int, Field(ge=8, le=1024)] = 256
    height: Annotated[int, Field(ge=8, le=1024)] = 208

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.height, self.width, 3)

    @property
    def shorter_side(self) -> int:
        return max(self.width, self.height)

    def __call__(self, picture: Picture) -> Pixels:
        size = (self.width, self.height)
        return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))


class GreyView(BaseModel):
    """One thing before a plain ground, in grey, light on black: the way Fashion-MNIST was made.

    Resized to `size` x `size`, the longer side filling it; a ground that is light is turned dark. A
    picture of that size whose ground is dark comes back as it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    recipe: Literal["grey"] = "grey"
    size: Annotated[int, Field(ge=8, le=256)] = 28

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.size, self.size, 1)

    @property
    def shorter_side(self) -> int:
        return 4 * self.size

    def __call__(self, picture: Picture) -> Pixels:
        height, width = picture.shape[:2]
        scale = self.size / max(height, width)
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
        rim = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
        if np.median(rim) > 127:
            grey = cv2.bitwise_not(grey)
        return _centred(grey[:, :, None], self.shape)


class DigitView(BaseModel):
    """One digit, made the way MNIST was: light ink on black, `ink` pixels tall or wide in a square
    of `size`, centred by mass (LeCun et al., "Gradient-based learning", 1998, section III.A).

    Finds the ink whatever its colour, the paper's shade and where on the page it is: the paper is
    estimated and divided away, faint ruling and page edges are dropped, the largest piece of ink
    and what belongs to it is the digit. A picture that is in this form already, or in its negative, comes
    back as it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    recipe: Literal["digit"] = "digit"
    size: Annotated[int, Field(ge=8, le=256)] = 28
    ink: Annotated[int, Field(ge=4, le=256)] = 20

    @property
    def shape(self) -> tuple[int, int, int]:
        return (self.size, self.size, 1)

    @property
    def shorter_side(self) -> int:
        return SMALLEST_SIDE

    def __call__(self, picture: Picture) -> Pixels:
        if picture.shape[:2] == (self.size, self.size):
            grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
            for ink in (grey, cv2.bitwise_not(grey)):
                if self._is_normal(ink):
                    return ink[:, :, None]
        return self._place(find_digit(picture))[:, :, None]

    def _is_normal(self, grey: Pixels) -> bool:
        """True for what this view (or MNIST) made: full ink, full size, black around, centred."""
        _, _, width, height = cv2.boundingRect(grey)
        column, row = centre_of_mass(grey)
        middle = (self.size - 1) / 2
        return (
            int(grey.max()) > 250
            and self.ink - 2 <= max(width, height) <= self.ink
            and abs(column - middle) <= 1
            and abs(row - middle) <= 1
        )

    def _place(self, digit: Digit) -> Pixels:
        """Scale its ink to `ink` pixels and lay its centre of mass on the middle."""
        ink = even_stroke(digit, side=4 * self.ink, width=4 * STROKE_WIDTH)
        height, width = ink.shape
        scale = self.ink / max(height, width)
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        small = cv2.resize(ink, size, interpolation=cv2.INTER_AREA)
        small = cv2.convertScaleAbs(small, alpha=255 / max(int(small.max()), 1))
        canvas = np.zeros((self.size, self.size), np.uint8)
        column, row = centre_of_mass(small)
        middle = (self.size - 1) / 2
        left = min(max(round(middle - column), 0), self.size - size[0])
        top = min(max(round(middle - row), 0), self.size - size[1])
        canvas[top : top + size[1], left : left + size[0]] = small
        return canvas


AnyView = Annotated[DigitView | GreyView | PhotoView | SquashView, Field(discriminator="recipe")]
"""Any view, told apart by `recipe`: what a card holds."""


def _centred(pixels: Pixels, shape: tuple[int, int, int]) -> Pixels:
    """Centre in a black frame, for pictures whose crop would reach over their edge."""
    if pixels.shape == shape:
        return pixels
    framed = np.zeros(shape, np.uint8)
    height, width = min(pixels.shape[0], shape[0]), min(pixels.shape[1], shape[1])
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    framed[top : top + height, left : left + width] = pixels[:height, :width]
    return framed
