"""Metrics of models in service: the prediction log, joined with the true answers in its feedback."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from models.prediction_record import ClassAnswered, Feedback, Prediction, PriceAnswered, read_line
from training.data.splits import DataError

Z_95 = 1.959964
"""95 % of a normal distribution lie within this many standard deviations of its mean."""

Key = tuple[str, int | None]
"""A request id and, in a batch call, the index of a picture."""


@dataclass(frozen=True)
class PredictionLog:
    """All lines of a folder.

    Attributes:
        predictions: In the order of the files.
        feedback: Likewise.
        broken: Number of lines that could not be read, cut off by a full disk or a killed process.
    """

    predictions: tuple[Prediction, ...]
    feedback: tuple[Feedback, ...]
    broken: int


@dataclass(frozen=True)
class OnlineMetrics:
    """Metrics of one version of one model.

    Attributes:
        n: Number of pictures.
        familiar: The fraction of them that was familiar.
        n_labelled: Number of pictures whose true class or price is in the feedback.
        n_correct: Of a classifier: how many of those were classified correctly.
        errors: Of a regressor: their absolute errors as fractions of the true price.
        n_covered: Of a regressor: how many true prices lay within the interval.
    """

    model: str
    version: str
    n: int
    familiar: float
    n_labelled: int
    n_correct: int | None = None
    errors: tuple[float, ...] = ()
    n_covered: int | None = None

    @property
    def accuracy(self) -> tuple[float, float, float] | None:
        """With the ends of its 95 % interval; None of a regressor, or without feedback."""
        if self.n_correct is None or not self.n_labelled:
            return None
        return (self.n_correct / self.n_labelled, *wilson(self.n_correct, self.n_labelled))

    @property
    def median_ape(self) -> float | None:
        """The median of the errors; None of a classifier, or without feedback."""
        return float(np.median(self.errors)) if self.errors else None

    @property
    def coverage(self) -> tuple[float, float, float] | None:
        """The fraction of true prices between low and high, with the ends of its 95 % interval."""
        if self.n_covered is None or not self.n_labelled:
            return None
        return (self.n_covered / self.n_labelled, *wilson(self.n_covered, self.n_labelled))


@dataclass(frozen=True)
class Pairs:
    """Predictions with the latest feedback about them, and the number of feedback lines that were not used.

    Attributes:
        told: Feedback that fits the answers of several models is there once for each.
        unmatched: Feedback to no prediction of the log.
        ambiguous: Feedback to an id under which a model answered twice.
        wrong_kind: A number for a class, or a word for a price.
        repeated: Feedback that a later line about the same picture replaces.
    """

    told: tuple[tuple[Prediction, Feedback], ...]
    unmatched: int
    ambiguous: int
    wrong_kind: int
    repeated: int


@dataclass(frozen=True)
class FeedbackJoin:
    """The metrics of each model by name and version, and what they were computed from."""

    models: tuple[OnlineMetrics, ...]
    pairs: Pairs


def read_log(folder: Path) -> PredictionLog:
    """Read every file of a prediction log, rotated ones too, in any order.

    Raises:
        DataError: The folder holds no prediction log.
    """
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
            record = read_line(line)
        except ValidationError:
            broken += 1
            continue
        if isinstance(record, Prediction):
            predictions.append(record)
        else:
            feedback.append(record.feedback)
    return PredictionLog(tuple(predictions), tuple(feedback), broken)


def pair_feedback(log: PredictionLog) -> Pairs:
    """Find the prediction of each feedback; the latest about a picture counts."""
    latest: dict[Key, Feedback] = {}
    for feedback in sorted(log.feedback, key=lambda feedback: feedback.time):
        latest[feedback.request_id, feedback.index] = feedback
    by_key: dict[Key, list[Prediction]] = defaultdict(list)
    for prediction in log.predictions:
        by_key[prediction.request_id, prediction.index].append(prediction)
    told: list[tuple[Prediction, Feedback]] = []
    unmatched = ambiguous = wrong_kind = 0
    for key, feedback in latest.items():
        candidates = by_key.get(key, [])
        # One picture may go to several models under one id, but to each only once.
        if any(count > 1 for count in Counter(candidate.model for candidate in candidates).values()):
            ambiguous += 1
            continue
        fitting = [candidate for candidate in candidates if _is_of_kind(candidate, feedback.truth)]
        unmatched += not candidates
        wrong_kind += bool(candidates) and not fitting
        told += [(prediction, feedback) for prediction in fitting]
    return Pairs(tuple(told), unmatched, ambiguous, wrong_kind, len(log.feedback) - len(latest))


def join_feedback(log: PredictionLog) -> FeedbackJoin:
    """Measure each version of each model by the latest feedback about its predictions."""
    pairs = pair_feedback(log)
    by_model: dict[tuple[str, str], list[Prediction]] = defaultdict(list)
    for prediction in log.predictions:
        by_model[prediction.model, prediction.version].append(prediction)
    labelled: dict[tuple[str, str], list[tuple[Prediction, str | float]]] = defaultdict(list)
    for prediction, feedback in pairs.told:
        labelled[prediction.model, prediction.version].append((prediction, feedback.truth))
    return FeedbackJoin(tuple(_metrics(by_model[name], labelled[name]) for name in sorted(by_model)), pairs)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % score interval of a fraction (Wilson, J. of the American Statistical Association, 1927)."""
    p = hits / n
    middle = (p + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
    reach = Z_95 * np.sqrt(p * (1 - p) / n + Z_95**2 / (4 * n**2)) / (1 + Z_95**2 / n)
    return max(float(middle - reach), 0.0), min(float(middle + reach), 1.0)


def _lines(files: list[Path]) -> Iterator[bytes]:
    for path in files:
        with path.open("rb") as file:
            yield from (line for line in file if line.strip())


def _is_of_kind(prediction: Prediction, truth: str | float) -> bool:
    """A label for a class, a number for a price."""
    return isinstance(truth, str) == isinstance(prediction.answer, ClassAnswered)


def _metrics(predictions: list[Prediction], labelled: list[tuple[Prediction, str | float]]) -> OnlineMetrics:
    first = predictions[0]
    familiar = sum(prediction.familiar for prediction in predictions) / len(predictions)
    counts = (first.model, first.version, len(predictions), familiar, len(labelled))
    if isinstance(first.answer, ClassAnswered):
        correct = sum(
            prediction.answer.label == truth
            for prediction, truth in labelled
            if isinstance(prediction.answer, ClassAnswered)
        )
        return OnlineMetrics(*counts, n_correct=correct)
    prices = [
        (prediction.answer, float(truth))
        for prediction, truth in labelled
        if isinstance(prediction.answer, PriceAnswered)
    ]
    errors = tuple(abs(answer.price - truth) / truth for answer, truth in prices)
    covered = sum(answer.low <= truth <= answer.high for answer, truth in prices)
    return OnlineMetrics(*counts, errors=errors, n_covered=covered)
