"""Drift: are the predictions still distributed as on the pictures that the model was tested on?

The last predictions of each model are counted by the bins of the card's reference, one by one, and
compared with it when metrics are asked for (docs/decisions/0014).
"""

import hashlib
import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.card import Card, ClassReference, Outputs, PriceReference
from service.monitoring.shared.counters import SharedCounters

WINDOW_ANSWERS = 1000
"""Answers that are counted, at least; the latest ones, of each worker."""

MIN_ANSWERS_PER_BIN = 20
"""Answers per bin below which there is no index: with fewer, chance alone puts it above 0.05."""

MIN_FRACTION = 1e-4
"""What an empty bin counts as: the logarithm of 0 is no number."""

Bins = tuple[int, ...]
"""Positions of the counters that one answer adds to."""

Row = Mapping[str, Any]
"""The outputs for one picture by name: numbers, and lists of them."""

FAMILIAR, UNFAMILIAR, FIRST_BIN = 0, 1, 2
"""Positions among the counters: familiar answers, unfamiliar ones, then each facet's bins in turn."""


@dataclass(frozen=True)
class DriftReport:
    """How far the last predictions of one model are from the card's reference.

    Attributes:
        answers: Answers in the window.
        unfamiliar: Fraction of unfamiliar answers; None when there are none.
        index: The population stability index of each facet; None where the answers are too few.
    """

    answers: int
    unfamiliar: float | None
    index: dict[str, float | None]


class Drift:
    """The last answers of one model. Lives on one event loop.

    Args:
        card: The model's; without a reference only the fraction of unfamiliar pictures is known.
    """

    def __init__(self, card: Card) -> None:
        self._facets = _facets(card)
        sizes = [len(fractions) for fractions in self._facets.values()]
        self._bins_of = _binner(card)
        self._window: list[Bins] = [()] * max(WINDOW_ANSWERS, MIN_ANSWERS_PER_BIN * max(sizes, default=0))
        self._oldest = 0
        # The digest, because only counts against the same card can be summed.
        digest = hashlib.sha256(card.model_dump_json().encode()).hexdigest()[:16]
        self._counters = SharedCounters(f"drift-{card.name}-{digest}", FIRST_BIN + sum(sizes))

    def observe(self, row: Outputs) -> None:
        """Count an answer and drop the oldest from the window.

        Args:
            row: The model's outputs for one picture.
        """
        bins = self._bins_of({name: values.tolist() for name, values in row.items()})
        self._push(bins, self._counters.own)

    def observe_each(self, rows: Outputs) -> None:
        """Count the answers to several pictures.

        Args:
            rows: The model's outputs, each (N, ...).
        """
        # Numbers of all rows at once, and a list before the shared memory: half the time of row by row.
        listed = {name: values.tolist() for name, values in rows.items()}
        counts = self._counters.own
        changes: list[float] = [0.0] * len(counts)
        for index in range(len(rows["familiarity"])):
            self._push(self._bins_of({name: values[index] for name, values in listed.items()}), changes)
        for position, change in enumerate(changes):
            if change:
                counts[position] += change

    def _push(self, bins: Bins, counts: "list[float] | memoryview[float]") -> None:
        """Let an answer into the window in the place of the oldest, and count both."""
        dropped = self._window[self._oldest]
        self._window[self._oldest] = bins
        self._oldest = (self._oldest + 1) % len(self._window)
        for position in bins:
            counts[position] += 1
        for position in dropped:
            counts[position] -= 1

    def report(self) -> DriftReport:
        """The drift over this worker and all others of the same service."""
        counts = [int(count) for count in self._counters.total()]
        answers = counts[FAMILIAR] + counts[UNFAMILIAR]
        index: dict[str, float | None] = {}
        start = FIRST_BIN
        for facet, expected in self._facets.items():
            bins = counts[start : start + len(expected)]
            start += len(expected)
            enough = answers >= MIN_ANSWERS_PER_BIN * len(expected)
            index[facet] = stability_index(expected, bins) if enough else None
        return DriftReport(answers, counts[UNFAMILIAR] / answers if answers else None, index)


def stability_index(expected: Sequence[float], counts: Sequence[int]) -> float:
    """The population stability index (PSI): 0 for equal distributions, above 0 otherwise.

    Symmetric in both sides. Where nothing has changed it is about (bins - 1) * (1 / n + 1 / m) for n and m
    answers on the two sides (Yurdakul, Statistical Properties of Population Stability Index, 2018,
    https://scholarworks.wmich.edu/dissertations/3208).

    Args:
        expected: Fractions of the bins, summing to 1.
        counts: Of the same bins, not all 0.
    """
    total = sum(counts)
    pairs = [
        (max(then, MIN_FRACTION), max(now / total, MIN_FRACTION))
        for then, now in zip(expected, counts, strict=True)
    ]
    return sum((now - then) * math.log(now / then) for then, now in pairs)


def _facets(card: Card) -> dict[str, Sequence[float]]:
    """The expected fractions of each facet's bins, in the order of _binner's positions."""
    match card.reference:
        case None:
            return {}
        case ClassReference() as reference:
            return {
                "answer": reference.classes,
                "confidence": reference.confidence.shares,
                "familiarity": reference.familiarity.shares,
            }
        case PriceReference() as reference:
            return {"answer": reference.prices.shares, "familiarity": reference.familiarity.shares}


def _binner(card: Card) -> Callable[[Row], Bins]:
    """The function that bins one answer, in plain Python: NumPy's overhead on one row exceeds all of it."""
    threshold = card.familiarity_threshold
    match card.reference:
        case None:

            def bins_of(row: Row) -> Bins:
                return (FAMILIAR if row["familiarity"] >= threshold else UNFAMILIAR,)

        case ClassReference() as reference:
            confidences, familiarities = reference.confidence.edges, reference.familiarity.edges
            second = FIRST_BIN + len(reference.classes)
            third = second + len(reference.confidence.shares)

            def bins_of(row: Row) -> Bins:
                probabilities, familiarity = row["probabilities"], row["familiarity"]
                confidence = max(probabilities)
                return (
                    FAMILIAR if familiarity >= threshold else UNFAMILIAR,
                    FIRST_BIN + probabilities.index(confidence),
                    second + bisect_right(confidences, confidence),
                    third + bisect_right(familiarities, familiarity),
                )

        case PriceReference() as reference:
            prices, familiarities = reference.prices.edges, reference.familiarity.edges
            second = FIRST_BIN + len(reference.prices.shares)

            def bins_of(row: Row) -> Bins:
                familiarity = row["familiarity"]
                return (
                    FAMILIAR if familiarity >= threshold else UNFAMILIAR,
                    FIRST_BIN + bisect_right(prices, row["value"]),
                    second + bisect_right(familiarities, familiarity),
                )

    return bins_of
