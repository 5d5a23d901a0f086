"""How good models are in service: the prediction log, joined with what its feedback says was true."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from models.prediction_record import ClassAnswered, Feedback, Prediction, PriceAnswered, read_line
from training.data.splits import DataError

Z = 1.959964
"""Of 95 % of a normal distribution."""

Key = tuple[str, int | None]
"""A request and, in a batch call, the place of a picture."""


@dataclass(frozen=True)
class PredictionLog:
    """All lines of a folder. broken: lines that could not be read, cut off by a full disk or a kill."""

    predictions: tuple[Prediction, ...]
    feedback: tuple[Feedback, ...]
    broken: int


@dataclass(frozen=True)
class OnlineMetrics:
    """One version of one model. answered, told: pictures, and those of them whose truth is known.
    familiar: share of all that were. right: of a classifier. errors, inside: of a regressor, the absolute
    errors as shares of the truth, and how many truths lay within the interval."""

    model: str
    version: str
    answered: int
    familiar: float
    told: int
    right: int | None = None
    errors: tuple[float, ...] = ()
    inside: int | None = None

    @property
    def accuracy(self) -> tuple[float, float, float] | None:
        """With the ends of its interval; None of prices, or where no truth is known."""
        if self.right is None or not self.told:
            return None
        return (self.right / self.told, *wilson(self.right, self.told))

    @property
    def median_ape(self) -> float | None:
        return float(np.median(self.errors)) if self.errors else None

    @property
    def coverage(self) -> tuple[float, float, float] | None:
        """Share of true prices between low and high, with the ends of its interval."""
        if self.inside is None or not self.told:
            return None
        return (self.inside / self.told, *wilson(self.inside, self.told))


@dataclass(frozen=True)
class FeedbackJoin:
    """models: by name and version. What was told and could not be used: unmatched, of no prediction here;
    ambiguous, where a model answered twice under one id; wrong_kind, a number for a class or a word for a
    price; repeated, told again later."""

    models: tuple[OnlineMetrics, ...]
    unmatched: int
    ambiguous: int
    wrong_kind: int
    repeated: int


def read(folder: Path) -> PredictionLog:
    """Every file of the log, the full ones too, in any order. Raises DataError where there is none."""
    files = sorted(folder.glob("predictions-*.jsonl*"))
    if not files:
        raise DataError(
            f"{folder} holds no prediction log; name the folder that GLIMPSE_PREDICTION_LOG does."
        )
    predictions: list[Prediction] = []
    feedback: list[Feedback] = []
    broken = 0
    for line in _lines(files):
        try:
            read = read_line(line)
        except ValidationError:
            broken += 1
            continue
        if isinstance(read, Prediction):
            predictions.append(read)
        else:
            feedback.append(read.feedback)
    return PredictionLog(tuple(predictions), tuple(feedback), broken)


def join(log: PredictionLog) -> FeedbackJoin:
    """Each prediction with the last that was told about it."""
    truths: dict[Key, Feedback] = {}
    for told in sorted(log.feedback, key=lambda told: told.time):
        truths[told.request_id, told.index] = told
    answers: dict[Key, list[Prediction]] = defaultdict(list)
    for prediction in log.predictions:
        answers[prediction.request_id, prediction.index].append(prediction)
    known: dict[tuple[str, str], list[tuple[Prediction, str | float]]] = defaultdict(list)
    unmatched = ambiguous = wrong_kind = 0
    for key, told in truths.items():
        candidates = answers.get(key, [])
        # One picture may have been shown to several models under one id; to each only once.
        if any(count > 1 for count in Counter(candidate.model for candidate in candidates).values()):
            ambiguous += 1
            continue
        fitting = [candidate for candidate in candidates if _fits(candidate, told.truth)]
        unmatched += not candidates
        wrong_kind += bool(candidates) and not fitting
        for prediction in fitting:
            known[prediction.model, prediction.version].append((prediction, told.truth))
    answered: dict[tuple[str, str], list[Prediction]] = defaultdict(list)
    for prediction in log.predictions:
        answered[prediction.model, prediction.version].append(prediction)
    models = tuple(_live(answered[name], known[name]) for name in sorted(answered))
    return FeedbackJoin(models, unmatched, ambiguous, wrong_kind, len(log.feedback) - len(truths))


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson, Journal of the American Statistical Association, 1927)."""
    share = hits / n
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    reach = Z * np.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2)) / (1 + Z**2 / n)
    return max(float(middle - reach), 0.0), min(float(middle + reach), 1.0)


def _lines(files: list[Path]) -> Iterator[bytes]:
    for path in files:
        with path.open("rb") as file:
            yield from (line for line in file if line.strip())


def _fits(prediction: Prediction, truth: str | float) -> bool:
    return isinstance(truth, str) == isinstance(prediction.answer, ClassAnswered)


def _live(answered: list[Prediction], known: list[tuple[Prediction, str | float]]) -> OnlineMetrics:
    first = answered[0]
    familiar = sum(prediction.familiar for prediction in answered) / len(answered)
    if isinstance(first.answer, ClassAnswered):
        right = sum(p.answer.label == truth for p, truth in known if isinstance(p.answer, ClassAnswered))
        return OnlineMetrics(first.model, first.version, len(answered), familiar, len(known), right=right)
    prices = [
        (prediction.answer, float(truth))
        for prediction, truth in known
        if isinstance(prediction.answer, PriceAnswered)
    ]
    errors = tuple(abs(answer.price - truth) / truth for answer, truth in prices)
    inside = sum(answer.low <= truth <= answer.high for answer, truth in prices)
    return OnlineMetrics(
        first.model, first.version, len(answered), familiar, len(known), errors=errors, inside=inside
    )
