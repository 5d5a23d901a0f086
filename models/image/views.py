"""Views: the preprocessing transforms from a picture to a network's pixels.

A picture is uint8, RGB (height, width, 3) or grey (height, width), which gives the same pixels as in RGB.
Pixels are uint8 (H, W, C). A view is a value with parameters that travels in the card, so training and
serving run the same code (docs/decisions/0002). It never raises on a picture that opened; the model's
familiarity says what the result is worth.
"""

from typing import Annotated, Literal, Protocol

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image
from pydantic import AliasChoices, ConfigDict, Discriminator, Field, Tag

from models.image.colour import Picture, in_colour, in_grey
from models.image.ink import Digit, centre_of_mass, find_digit, normalise_stroke
from models.value import Value

Pixels = npt.NDArray[np.uint8]
"""uint8 (H, W, C), or (N, H, W, C) for a batch."""

MIN_PAGE_SIDE = 400
"""Pixels of a page's shorter side after decoding, enough to find a digit in its corner."""

STROKE_WIDTH = 2.0
"""Pixels: the least width of strokes in a view of 20 pixels; MNIST's strokes have 2 to 4."""

# In JSON `kind` is written as "recipe": cards and servers from before the field was renamed read that.
StoredAsRecipe = Field(validation_alias=AliasChoices("kind", "recipe"), serialization_alias="recipe")


class View(Protocol):
    """What training and serving need of a view."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(H, W, C) of the pixels."""

    @property
    def shorter_side(self) -> int:
        """Pixels that decoding must leave on the picture's shorter side."""

    def __call__(self, picture: Picture) -> Pixels:
        """The pixels of a picture."""


class _StoredView(Value):
    model_config = ConfigDict(serialize_by_alias=True)


class PhotoView(_StoredView):
    """The scene: shorter side to `resize` pixels, then the `crop` in the centre.

    The same pixels as torchvision's Resize (bilinear, antialiased) and CenterCrop.
    """

    kind: Annotated[Literal["photo"], StoredAsRecipe] = "photo"
    resize: Annotated[int, Field(ge=8, le=1024)] = 256
    crop: Annotated[int, Field(ge=8, le=1024)] = 192

    @property
    def shape(self) -> tuple[int, int, int]:
        """(crop, crop, 3)."""
        return (self.crop, self.crop, 3)

    @property
    def shorter_side(self) -> int:
        """Pixels that decoding must leave on the picture's shorter side."""
        return self.resize

    def __call__(self, picture: Picture) -> Pixels:
        """The pixels of a picture."""
        height, width = picture.shape[:2]
        scale = self.resize / min(height, width)
        # Only what the crop keeps is resized: a 1 x 20000 picture stays cheap.
        side = self.crop / scale
        left, top = (width - side) / 2, (height - side) / 2
        box = (max(left, 0.0), max(top, 0.0), min(left + side, width), min(top + side, height))
        size = (round((box[2] - box[0]) * scale), round((box[3] - box[1]) * scale))
        image = Image.fromarray(picture).resize(
            (max(size[0], 1), max(size[1], 1)), Image.Resampling.BILINEAR, box=box
        )
        return _centred(in_colour(np.asarray(image)), self.shape)


class SquashView(_StoredView):
    """The whole picture, resized to `width` x `height` whatever its aspect ratio.

    Nothing is cropped or padded. The same pixels as torchvision's Resize((height, width)), bilinear and
    antialiased.
    """

    kind: Annotated[Literal["squash"], StoredAsRecipe] = "squash"
    width: Annotated[int, Field(ge=8, le=1024)] = 256
    height: Annotated[int, Field(ge=8, le=1024)] = 208

    @property
    def shape(self) -> tuple[int, int, int]:
        """(height, width, 3)."""
        return (self.height, self.width, 3)

    @property
    def shorter_side(self) -> int:
        """Pixels that decoding must leave on the picture's shorter side."""
        return max(self.width, self.height)

    def __call__(self, picture: Picture) -> Pixels:
        """The pixels of a picture."""
        size = (self.width, self.height)
        return in_colour(np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR)))


class GreyView(_StoredView):
    """One thing on a plain ground, in grey, light on black, as Fashion-MNIST was made.

    The longer side fills `size` pixels; a light ground is inverted. A picture of that size on a dark ground
    is returned unchanged.
    """

    kind: Annotated[Literal["grey"], StoredAsRecipe] = "grey"
    size: Annotated[int, Field(ge=8, le=256)] = 28

    @property
    def shape(self) -> tuple[int, int, int]:
        """(size, size, 1)."""
        return (self.size, self.size, 1)

    @property
    def shorter_side(self) -> int:
        """Pixels that decoding must leave on the picture's shorter side."""
        return 4 * self.size

    def __call__(self, picture: Picture) -> Pixels:
        """The pixels of a picture."""
        height, width = picture.shape[:2]
        scale = self.size / max(height, width)
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        grey = in_grey(small)
        border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
        if np.median(border) > 127:
            grey = cv2.bitwise_not(grey)
        return _centred(grey[:, :, None], self.shape)


class DigitView(_StoredView):
    """One digit, made the way MNIST was: light ink on black, centred by mass.

    The longer side of its ink has `ink` pixels, in a square of `size` (LeCun et al., "Gradient-based
    learning", 1998, section III.A). The ink is found whatever its colour, the paper's shade and its position:
    the paper is estimated and divided away, faint ruling and page edges are dropped, and the digit is the
    largest component of ink with the strokes near it. A picture of this form, or its negative, is returned
    unchanged.
    """

    kind: Annotated[Literal["digit"], StoredAsRecipe] = "digit"
    size: Annotated[int, Field(ge=8, le=256)] = 28
    ink: Annotated[int, Field(ge=4, le=256)] = 20

    @property
    def shape(self) -> tuple[int, int, int]:
        """(size, size, 1)."""
        return (self.size, self.size, 1)

    @property
    def shorter_side(self) -> int:
        """Pixels that decoding must leave on the picture's shorter side."""
        return MIN_PAGE_SIDE

    def __call__(self, picture: Picture) -> Pixels:
        """The pixels of a picture."""
        if picture.shape[:2] == (self.size, self.size):
            grey = in_grey(picture)
            for ink in (grey, cv2.bitwise_not(grey)):
                if self._is_normal(ink):
                    return ink[:, :, None]
        return self._normalise(find_digit(picture))[:, :, None]

    def _is_normal(self, grey: Pixels) -> bool:
        """Whether it is as this view or MNIST makes it: full ink and size, centred."""
        _, _, width, height = cv2.boundingRect(grey)
        if not self.ink - 2 <= max(width, height) <= self.ink or cv2.norm(grey, cv2.NORM_INF) <= 250:
            return False
        column, row = centre_of_mass(grey)
        middle = (self.size - 1) / 2
        return abs(column - middle) <= 1 and abs(row - middle) <= 1

    def _normalise(self, digit: Digit) -> Pixels:
        """Scale the ink to `ink` pixels and move its centre of mass to the middle."""
        ink = normalise_stroke(digit, max_side=4 * self.ink, min_width=4 * STROKE_WIDTH)
        height, width = ink.shape
        scale = self.ink / max(height, width)
        size = (max(round(width * scale), 1), max(round(height * scale), 1))
        small = cv2.resize(ink, size, interpolation=cv2.INTER_AREA)
        small = cv2.normalize(small, None, 255, 0, cv2.NORM_INF)
        canvas = np.zeros((self.size, self.size), np.uint8)
        column, row = centre_of_mass(small)
        middle = (self.size - 1) / 2
        left = min(max(round(middle - column), 0), self.size - size[0])
        top = min(max(round(middle - row), 0), self.size - size[1])
        canvas[top : top + size[1], left : left + size[0]] = small
        return canvas


def kind_of(view: object) -> object:
    """The kind of a view, or of its JSON in either spelling; None where there is none."""
    if isinstance(view, dict):
        return view.get("kind", view.get("recipe"))
    return getattr(view, "kind", None)


AnyView = Annotated[
    Annotated[DigitView, Tag("digit")]
    | Annotated[GreyView, Tag("grey")]
    | Annotated[PhotoView, Tag("photo")]
    | Annotated[SquashView, Tag("squash")],
    Discriminator(kind_of),
]
"""Any view, by its kind: the type of a card's `view`."""


def _centred(pixels: Pixels, shape: tuple[int, int, int]) -> Pixels:
    """Centre in a black frame, for pictures whose crop reaches over their edge."""
    if pixels.shape == shape:
        return pixels
    framed = np.zeros(shape, np.uint8)
    height, width = min(pixels.shape[0], shape[0]), min(pixels.shape[1], shape[1])
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    framed[top : top + height, left : left + width] = pixels[:height, :width]
    return framed
