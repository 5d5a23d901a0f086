"""What clients get: answers as values, made from one row of a model's outputs."""

from pydantic import BaseModel, ConfigDict

from models.card import Answers, ClassifierCard, RegressorCard


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)

    model: str
    version: str
    familiar: bool
    """False where the picture looks unlike the training pictures; the answer is then a guess."""
    request_id: str


class ClassAnswer(_Answer):
    """The most probable class; probabilities are calibrated and sum to 1."""

    label: str
    probability: float
    probabilities: dict[str, float]


class PriceAnswer(_Answer):
    """A price and the interval in which `coverage` of true prices lie."""

    price: float
    low: float
    high: float
    coverage: float
    currency: str
    basis: str


def class_answer(card: ClassifierCard, row: Answers, request_id: str) -> ClassAnswer:
    """row: the model's outputs for one picture."""
    probabilities = row["probabilities"]
    best = int(probabilities.argmax())
    return ClassAnswer(
        model=card.name,
        version=card.version,
        label=card.labels[best],
        probability=round(float(probabilities[best]), 6),
        probabilities={
            label: round(float(p), 6) for label, p in zip(card.labels, probabilities, strict=True)
        },
        familiar=bool(row["familiarity"] >= card.familiarity_threshold),
        request_id=request_id,
    )


def price_answer(card: RegressorCard, row: Answers, request_id: str) -> PriceAnswer:
    """row: the model's outputs for one picture. Prices are rounded to whole units."""
    return PriceAnswer(
        model=card.name,
        version=card.version,
        price=round(float(row["value"])),
        low=round(float(row["low"])),
        high=round(float(row["high"])),
        coverage=card.coverage,
        currency=card.unit,
        basis=card.basis,
        familiar=bool(row["familiarity"] >= card.familiarity_threshold),
        request_id=request_id,
    )
