"""The work of every peer: the same file, view and fields of the response.

It runs in the environments of the peers, which have the imports of models/ and their own framework.
"""

import argparse
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
from PIL import Image

from models.card import ClassifierCard, RegressorCard
from models.image.decode import Picture, open_picture
from models.image.views import Pixels
from models.model import ZOO, Model, open_model

# A picture is a millisecond of work: OpenCV's own threads cost more than they gain.
cv2.setNumThreads(1)


@dataclass(frozen=True)
class Options:
    """The command line of a peer.

    Attributes:
        port: To listen on.
        model: A classifier of the zoo.
        price_model: A regressor of the zoo.
        workers: Number of worker processes, where the peer can have several.
    """

    port: int
    model: str
    price_model: str
    workers: int


def read_options() -> Options:
    """The options that `python -m loadtests.bench` passes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--model", default="digits-cnn")
    parser.add_argument("--price-model", default="cars-transfer")
    parser.add_argument("--workers", type=int, default=1)
    return Options(**vars(parser.parse_args()))


class Classifier:
    """A classifier of the zoo; one run of its session takes so many threads."""

    def __init__(self, name: str, threads: int) -> None:
        self._model = _open(name, threads)
        card = self._model.card
        assert isinstance(card, ClassifierCard)
        self._card = card

    def pixels(self, data: bytes) -> Pixels:
        """The model's view of one encoded picture."""
        view = self._card.view
        return view(open_picture(data, view.shorter_side))

    def predict(self, batch: Sequence[Pixels]) -> list[dict[str, Any]]:
        """Label and probabilities of each picture, from one run of the session."""
        rows = self._model(np.stack(batch))["probabilities"]
        return [self._prediction(row) for row in rows.tolist()]

    def _prediction(self, row: list[float]) -> dict[str, Any]:
        probabilities = dict(zip(self._card.labels, row, strict=True))
        label = max(probabilities, key=probabilities.__getitem__)
        return {"label": label, "probability": probabilities[label], "probabilities": probabilities}


class Pricer:
    """A regressor of the zoo that decodes the whole photo, as Pillow does by default."""

    def __init__(self, name: str, threads: int) -> None:
        self._model = _open(name, threads)
        card = self._model.card
        assert isinstance(card, RegressorCard)
        self._card = card

    def predict(self, data: bytes) -> dict[str, Any]:
        """Price and interval of one encoded photo."""
        row = self._model(self._card.view(decode_whole(data))[None])
        price, low, high = (float(row[name][0]) for name in ("value", "low", "high"))
        return {"price": price, "low": low, "high": high, "currency": self._card.unit}


def decode_whole(data: bytes) -> Picture:
    """Decode every pixel: no reduced scale, no draft mode."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def _open(name: str, threads: int) -> Model:
    session = ort.SessionOptions()
    session.intra_op_num_threads = threads
    return open_model(ZOO / f"{name}.onnx", options=session)
