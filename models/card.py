"""The card: the facts that a model file carries, as JSON in the ONNX metadata.

It holds the view that makes pixels of a picture, the meaning of the outputs, metrics with their test set,
and golden pictures to verify the file with.
"""

import base64
import binascii
import math
import zlib
from collections.abc import Sized
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Field, TypeAdapter, model_validator

from models.drift_reference import ClassReference, Histogram, PriceReference
from models.image.views import AnyView, Pixels
from models.value import Value

__all__ = [
    "METADATA_KEY",
    "Card",
    "ClassReference",
    "ClassifierCard",
    "Data",
    "Golden",
    "Histogram",
    "Measured",
    "Outputs",
    "PriceReference",
    "Reference",
    "RegressorCard",
    "read_card",
]

METADATA_KEY = "glimpse.card"
"""Key of the card's JSON in the ONNX file's metadata."""

Reference = ClassReference | PriceReference
"""How a model usually answers."""

Outputs = dict[str, npt.NDArray[np.float32]]
"""The graph's outputs by name, float32, one row per picture."""

MAX_GOLDEN_PICTURES = 16
"""In one card: opening the file runs them all as one batch."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]

Side = Annotated[int, Field(gt=0, le=1024)]


def _is_empty(value: Sized) -> bool:
    """Whether a field is left out of the JSON: files written before it had a name stay as they are."""
    return len(value) == 0


class Data(Value):
    """The data set a model was trained on.

    Attributes:
        count: Number of pictures in the training split.
        made: Number of synthetic pictures, augmented or drawn, that training used as well.
        fingerprint: sha256 over all pixels and targets of the data set, in hex.
        notes: What was left out of it, and why.
    """

    name: str
    count: Annotated[int, Field(gt=0)]
    made: Annotated[int, Field(ge=0)] = 0
    fingerprint: str
    licence: str
    notes: Annotated[tuple[str, ...], Field(exclude_if=_is_empty)] = ()


class Measured(Value):
    """Metrics of the exported file on a test set, and of a constant prediction.

    Attributes:
        data: Name of the test set.
        n: Number of test pictures.
        values: By the metric's name.
        baseline: The same metrics of the constant prediction.
        intervals: The ends of the 95 % interval of a metric, where it has one.
    """

    data: str
    n: Annotated[int, Field(gt=0)]
    values: dict[str, float]
    baseline: dict[str, float]
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict, exclude_if=_is_empty)


class Golden(Value):
    """Pixels and their outputs at export; a file must reproduce them to be opened.

    Attributes:
        shape: (N, H, W, C) of the pixels, N at most MAX_GOLDEN_PICTURES.
        pixels: uint8, deflated, as base64.
        answers: Outputs by name, one row per picture.
        tolerance: Relative, to max(1, |output|) for probabilities and familiarity, to |output| for prices.
    """

    shape: tuple[Annotated[int, Field(gt=0, le=MAX_GOLDEN_PICTURES)], Side, Side, Side]
    pixels: str
    answers: dict[str, list[float] | list[list[float]]]
    tolerance: Annotated[float, Field(ge=0, le=0.1)] = 1e-3

    @staticmethod
    def of(pixels: Pixels, outputs: Outputs) -> "Golden":
        """Pack pixels, uint8 (N, H, W, C), and their outputs."""
        count, height, width, channels = pixels.shape
        packed = base64.b64encode(zlib.compress(np.ascontiguousarray(pixels).tobytes(), 9))
        return Golden(
            shape=(count, height, width, channels),
            pixels=packed.decode(),
            answers={name: values.tolist() for name, values in outputs.items()},
        )

    def unpack(self) -> Pixels:
        """The golden pixels, uint8 (N, H, W, C).

        Inflates no more bytes than `shape` declares.

        Raises:
            ValueError: The packed bytes are broken or do not match `shape`.
        """
        size, inflater = math.prod(self.shape), zlib.decompressobj()
        try:
            raw = inflater.decompress(base64.b64decode(self.pixels, validate=True), size + 1)
        except (binascii.Error, zlib.error) as error:
            raise ValueError(f"they do not unpack: {error}") from None
        if len(raw) != size or not inflater.eof:
            raise ValueError(f"they are not the {size:,} bytes that their shape says")
        return np.frombuffer(raw, np.uint8).reshape(self.shape)


def _check_distinct(labels: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(labels)) < len(labels):
        raise ValueError("a label is there twice")
    return labels


class _CommonCard(Value):
    """The fields of every card.

    Attributes:
        version: Changes whenever the weights do.
        familiarity_threshold: A picture whose familiarity is below it looks unlike the training pictures.
        curves: Training metrics by name, one number per epoch.
    """

    name: Name
    version: Annotated[str, Field(min_length=1, max_length=64)]
    summary: str
    view: AnyView
    familiarity_threshold: float
    training: Data
    curves: dict[str, list[float]] = Field(default_factory=dict)
    measured: Measured
    golden: Golden
    licence: str


class ClassifierCard(_CommonCard):
    """The card of a classifier.

    Its graph returns `probabilities`, float32 (N, len(labels)), rows summing to 1, and `familiarity`,
    float32 (N,).
    """

    task: Literal["classification"] = "classification"
    labels: Annotated[tuple[str, ...], Field(min_length=2), AfterValidator(_check_distinct)]
    reference: ClassReference | None = None

    @model_validator(mode="after")
    def _check_share_per_label(self) -> "ClassifierCard":
        if self.reference is not None and len(self.reference.classes) != len(self.labels):
            raise ValueError(f"reference.classes has {len(self.reference.classes)} shares, not one per label")
        return self

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the graph's outputs."""
        return ("probabilities", "familiarity")


class RegressorCard(_CommonCard):
    """The card of a regressor.

    Its graph returns `value`, `low`, `high` and `familiarity`, each float32 (N,).

    Attributes:
        unit: An ISO 4217 currency, or what else is counted: years, kg.
        basis: What the price includes, such as "list price when new".
        coverage: Fraction of true prices between low and high, 0 to 1.
    """

    task: Literal["regression"] = "regression"
    unit: str
    basis: str
    coverage: Annotated[float, Field(gt=0, lt=1)]
    reference: PriceReference | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the graph's outputs."""
        return ("value", "low", "high", "familiarity")


Card = ClassifierCard | RegressorCard

_CARD: TypeAdapter[Card] = TypeAdapter(Annotated[Card, Field(discriminator="task")])


def read_card(text: str) -> Card:
    """Parse a card's JSON.

    Raises:
        pydantic.ValidationError: Names every field that is missing or wrong.
    """
    return _CARD.validate_json(text)
