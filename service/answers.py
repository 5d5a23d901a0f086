"""What clients get: answers as values, made from one row of a model's outputs."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from models.card import ClassifierCard, Outputs, RegressorCard


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Source(_Value):
    """Who answered, and to which request."""

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


def class_facts(card: ClassifierCard, row: Outputs) -> ClassFacts:
    """row: the model's outputs for one picture."""
    # In Python: NumPy's argmax gives up the interpreter's lock, and with busy decoding threads it takes
    # 30 us to get it back.
    exact = row["probabilities"].tolist()
    best = exact.index(max(exact))
    probabilities = [round(probability, 6) for probability in exact]
    return ClassFacts(
        label=card.labels[best],
        probability=probabilities[best],
        probabilities=dict(zip(card.labels, probabilities, strict=True)),
        familiar=bool(row["familiarity"] >= card.familiarity_threshold),
    )


def price_facts(card: RegressorCard, row: Outputs) -> PriceFacts:
    """row: the model's outputs for one picture. Prices are rounded to whole units."""
    return PriceFacts(
        price=round(float(row["value"])),
        low=round(float(row["low"])),
        high=round(float(row["high"])),
        coverage=card.coverage,
        currency=card.unit,
        basis=card.basis,
        familiar=bool(row["familiarity"] >= card.familiarity_threshold),
    )
