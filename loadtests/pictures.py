"""Pictures to upload, each with the label that a correct response has.

The digits are the golden pictures of the model's own card (MNIST test digits), enlarged to the size
that a drawing program saves. The cars are the photos under data/ where there are any, and the golden
drawings otherwise.
"""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from models.card import ClassifierCard
from models.model import ZOO, open_model

MAX_PHOTOS = 50


@dataclass(frozen=True)
class Upload:
    """One file to post.

    Attributes:
        name: File name in the form.
        content: The encoded picture.
        content_type: Media type of the content.
        label: The only correct class; empty for prices.
    """

    name: str
    content: bytes
    content_type: str
    label: str = ""


def digits(model: str = "digits-cnn", side: int = 280) -> list[Upload]:
    """The golden digits of a classifier as PNG: dark ink on white paper, side x side."""
    card = open_model(ZOO / f"{model}.onnx").card
    assert isinstance(card, ClassifierCard)
    labels = np.argmax(card.golden.answers["probabilities"], axis=1)
    return [
        Upload(
            f"digit-{card.labels[label]}.png",
            _encode(Image.fromarray(255 - pixels[:, :, 0]).resize((side, side)), "PNG"),
            "image/png",
            card.labels[label],
        )
        for pixels, label in zip(card.golden.unpack(), labels, strict=True)
    ]


def cars(model: str = "cars-cnn", folder: Path = Path("data")) -> list[Upload]:
    """Photos of cars as JPEG, or the golden drawings of a model at 1280 x 1280."""
    photos = sorted(folder.glob("cars*/img/*.jpg"))
    if photos:
        chosen = photos[:: max(len(photos) // MAX_PHOTOS, 1)][:MAX_PHOTOS]
        return [Upload(path.name, path.read_bytes(), "image/jpeg") for path in chosen]
    drawings = open_model(ZOO / f"{model}.onnx").card.golden.unpack()
    return [
        Upload(
            f"car-{index}.jpg", _encode(Image.fromarray(pixels).resize((1280, 1280)), "JPEG"), "image/jpeg"
        )
        for index, pixels in enumerate(drawings)
    ]


def _encode(image: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()
