"""The bodies of responses, made from one row of a model's outputs."""

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from models.card import ClassifierCard, Outputs, RegressorCard

WHOLE_FROM = 100
"""Units from which on fractions of one say nothing."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class _Source(_Value):
    """Which model answered, and to which request."""

    model: str
    version: str
    request_id: str


class ClassFacts(_Value):
    """The most probable class; probabilities are calibrated and sum to 1."""

    label: str
    probability: float
    probabilities: dict[str, float]
    familiar: bool
    """False where the picture looks unlike the training pictures; the answer is then a guess."""


class PriceFacts(_Value):
    """A price and the interval in which `coverage` of true prices lie."""

    price: float
    low: float
    high: float
    coverage: float
    currency: str
    basis: str
    familiar: bool
    """False where the picture looks unlike the training pictures; the answer is then a guess."""


class ClassAnswer(ClassFacts, _Source):
    """What is on one picture."""


class PriceAnswer(PriceFacts, _Source):
    """What the car on one picture costs."""


class ProblemDetail(_Value):
    """As in a problem+json body."""

    title: str
    status: int
    detail: str


class PictureProblem(_Value):
    """In the place of the answer to a picture that has none."""

    error: ProblemDetail


Facts = TypeVar("Facts", ClassFacts, PriceFacts)


class BatchAnswer(_Source, Generic[Facts]):
    """One answer for each picture, in the order in which they were sent."""

    answers: list[Facts | PictureProblem]


class ClassAnswers(BatchAnswer[ClassFacts]):
    """What is on each of many pictures."""


class PriceAnswers(BatchAnswer[PriceFacts]):
    """What the car on each of many pictures costs."""


class ServedModel(BaseModel):
    """One model: every fact of its card but the golden pictures, and how it is served."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    name: str
    version: str
    task: Literal["classification", "regression"]
    sha256: str
    default: bool
    device: Literal["cpu", "cuda"]
    reason: str
    """Why it does not run on a GPU, where one was asked for."""
    drift: dict[str, Any]


class ModelList(BaseModel):
    """The models that are served."""

    models: list[ServedModel]


def class_facts(card: ClassifierCard, outputs: Outputs) -> ClassFacts:
    """The class of one picture.

    Args:
        card: Of the model.
        outputs: `probabilities` float32 (K,), `familiarity` float32 ().
    """
    # In Python: NumPy's argmax releases the interpreter's lock, and with busy decoding threads it takes 30 us
    # to get it back.
    exact = outputs["probabilities"].tolist()
    best = exact.index(max(exact))
    probabilities = [round(probability, 6) for probability in exact]
    # Not validated: all of it was made here.
    return ClassFacts.model_construct(
        label=card.labels[best],
        probability=probabilities[best],
        probabilities=dict(zip(card.labels, probabilities, strict=True)),
        familiar=bool(outputs["familiarity"] >= card.familiarity_threshold),
    )


def price_facts(card: RegressorCard, outputs: Outputs) -> PriceFacts:
    """The price on one picture, in the card's unit: whole units from 100 on, three digits below.

    Args:
        card: Of the model.
        outputs: `value`, `low`, `high` and `familiarity`, each float32 ().
    """
    return PriceFacts.model_construct(
        price=_readable(float(outputs["value"])),
        low=_readable(float(outputs["low"])),
        high=_readable(float(outputs["high"])),
        coverage=card.coverage,
        currency=card.unit,
        basis=card.basis,
        familiar=bool(outputs["familiarity"] >= card.familiarity_threshold),
    )


def _readable(amount: float) -> float:
    return float(round(amount)) if amount >= WHOLE_FROM else float(f"{amount:.3g}")
