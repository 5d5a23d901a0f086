"""The card: the facts a model carries inside its .onnx file, as JSON in the file's metadata.

Whoever opens the file learns all it needs from here: how to make pixels of a picture, what the
outputs mean, how good the model was and on what, and answers to check itself against.
"""

import base64
import binascii
import math
import zlib
from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from models.image.views import AnyView, Pixels

METADATA_KEY = "glimpse.card"
"""Where the card's JSON stands in the ONNX file's metadata."""

Outputs = dict[str, npt.NDArray[np.float32]]
"""The graph's outputs by name, each with one row per picture."""

GOLDEN_PICTURES = 16
"""In one card, at most: each opening of the file runs them all at once."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$")]


Side = Annotated[int, Field(gt=0, le=1024)]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Data(_Value):
    """What the model learned from. made: pictures made of these, or drawn, that it learned from too.
    fingerprint: sha256 over all pixels and answers of the data set."""

    name: str
    count: Annotated[int, Field(gt=0)]
    made: Annotated[int, Field(ge=0)] = 0
    fingerprint: str
    licence: str


class Measured(_Value):
    """Metrics of the exported file on pictures it never saw, beside those of a constant answer."""

    data: str
    n: Annotated[int, Field(gt=0)]
    values: dict[str, float]
    baseline: dict[str, float]


class Golden(_Value):
    """Pixels and the answers they gave at export: a file that now answers differently is refused.

    pixels: base64 of the deflated uint8 (N, H, W, C). tolerance: relative to max(1, |answer|) for
    probabilities and familiarity, to the answer itself for prices.
    """

    shape: tuple[Annotated[int, Field(gt=0, le=GOLDEN_PICTURES)], Side, Side, Side]
    pixels: str
    answers: dict[str, list[float] | list[list[float]]]
    tolerance: Annotated[float, Field(ge=0, le=0.1)] = 1e-3

    @staticmethod
    def of(pixels: Pixels, answers: Outputs) -> "Golden":
        count, height, width, channels = pixels.shape
        packed = base64.b64encode(zlib.compress(np.ascontiguousarray(pixels).tobytes(), 9))
        return Golden(
            shape=(count, height, width, channels),
            pixels=packed.decode(),
            answers={name: values.tolist() for name, values in answers.items()},
        )

    def unpack(self) -> Pixels:
        """Raises ValueError where the pixels are not those of the shape; inflates no more than them."""
        size, inflating = math.prod(self.shape), zlib.decompressobj()
        try:
            raw = inflating.decompress(base64.b64decode(self.pixels, validate=True), size + 1)
        except (binascii.Error, zlib.error) as error:
            raise ValueError(f"they do not unpack: {error}") from None
        if len(raw) != size or not inflating.eof:
            raise ValueError(f"they are not the {size:,} bytes that their shape says")
        return np.frombuffer(raw, np.uint8).reshape(self.shape)


def _distinct(labels: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(labels)) < len(labels):
        raise ValueError("a label is there twice")
    return labels


def _whole(shares: tuple[float, ...]) -> tuple[float, ...]:
    if not math.isclose(sum(shares), 1, abs_tol=1e-6):
        raise ValueError(f"the shares sum to {sum(shares):.6g}, not to 1")
    return shares


Shares = Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1), AfterValidator(_whole)]
"""Parts of a whole: they sum to 1."""


class Histogram(_Value):
    """How often a number lay between which edges.

    edges: increasing; a bin holds what lies from its lower edge on, up to and without its upper one. The
    first and the last bin are open. shares: one more than there are edges.
    """

    edges: tuple[float, ...]
    shares: Shares

    @model_validator(mode="after")
    def _fits(self) -> "Histogram":
        if len(self.shares) != len(self.edges) + 1:
            raise ValueError(f"{len(self.edges)} edges make {len(self.edges) + 1} bins")
        if any(low >= high for low, high in pairwise(self.edges)):
            raise ValueError("the edges do not increase")
        return self


class _Reference(_Value):
    """The distribution of the file's answers to pictures like those it was trained for: what drift is
    measured against. data, n: which pictures, and how many."""

    data: str
    n: Annotated[int, Field(gt=0)]
    familiarity: Histogram


class ClassReference(_Reference):
    """classes: how often each was the answer, in the order of the labels. confidence: of the answers'
    probabilities."""

    classes: Annotated[Shares, Field(min_length=2)]
    confidence: Histogram


class PriceReference(_Reference):
    """prices: in the card's unit. Its bins are those of the log price too, of which deciles are the same."""

    prices: Histogram


class _Facts(_Value):
    """What every card holds.

    version: changes whenever the weights do. familiarity_threshold: pictures that score below it
    look unlike the training pictures. curves: what training said after each epoch, by name.
    """

    name: Name
    version: Annotated[str, Field(min_length=1, max_length=64)]
    summary: str
    view: AnyView
    familiarity_threshold: float
    training: Data
    curves: dict[str, list[float]] = {}
    measured: Measured
    golden: Golden
    licence: str


class ClassifierCard(_Facts):
    """The graph returns `probabilities` float32 (N, len(labels)), rows summing to 1, and
    `familiarity` float32 (N,)."""

    task: Literal["classification"] = "classification"
    labels: Annotated[tuple[str, ...], Field(min_length=2), AfterValidator(_distinct)]
    reference: ClassReference | None = None

    @model_validator(mode="after")
    def _every_class_has_a_share(self) -> "ClassifierCard":
        if self.reference is not None and len(self.reference.classes) != len(self.labels):
            raise ValueError(f"reference.classes has {len(self.reference.classes)} shares, not one per label")
        return self

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("probabilities", "familiarity")


class RegressorCard(_Facts):
    """The graph returns `value`, `low`, `high` and `familiarity`, each float32 (N,).

    unit: an ISO 4217 currency. basis: what the price is a price of. coverage: the share of true
    prices between low and high.
    """

    task: Literal["regression"] = "regression"
    unit: str
    basis: str
    coverage: Annotated[float, Field(gt=0, lt=1)]
    reference: PriceReference | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("value", "low", "high", "familiarity")


Card = ClassifierCard | RegressorCard

_CARD: TypeAdapter[Card] = TypeAdapter(Annotated[Card, Field(discriminator="task")])


def read_card(text: str) -> Card:
    """Raises pydantic.ValidationError, which names every field that is missing or wrong."""
    return _CARD.validate_json(text)
