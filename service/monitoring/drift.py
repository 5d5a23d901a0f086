"""Drift: are the answers still distributed as on the pictures that the model was tested on?

Of the last answers of each model it is known how many fell into each bin of the card's reference: kept up
answer by answer, compared when somebody asks.
"""

import hashlib
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.card import Card, ClassReference, Outputs, PriceReference
from service.monitoring.shared_counters import SharedCounters

WINDOW = 1000
"""Answers that are remembered, at least; of each worker, where there are several."""

MIN_ANSWERS_PER_BIN = 20
"""Answers per bin below which there is no index: fewer, and chance alone would put it above 0.05."""

FLOOR = 1e-4
"""What an empty bin counts as: the logarithm of nothing is no number."""

Bins = tuple[int, ...]
"""Which counts an answer adds to."""

FAMILIAR, UNFAMILIAR, FIRST_BIN = 0, 1, 2
"""Places of the counts: either kind of answer, then the bins of one facet after the other."""


@dataclass(frozen=True)
class DriftReport:
    """answers: how many the window holds. unfamiliar: their share that was; None of no answers. index: the
    population stability index of each facet; None where the answers are too few."""

    answers: int
    unfamiliar: float | None
    index: dict[str, float | None]


class Drift:
    """The last answers of one model. Lives on one event loop.

    card: without a reference there is nothing to compare with: the share of unfamiliar pictures is all.
    """

    def __init__(self, card: Card) -> None:
        facets = _facets(card)
        bins = [len(shares) for shares in facets.values()]
        self._facets = facets
        self._places = _binner(card)
        self._recent: list[Bins] = [()] * max(WINDOW, MIN_ANSWERS_PER_BIN * max(bins, default=0))
        self._oldest = 0
        # Only what was counted against the same card can be summed.
        digest = hashlib.sha256(card.model_dump_json().encode()).hexdigest()[:16]
        self._counts = SharedCounters(f"drift-{card.name}-{digest}", FIRST_BIN + sum(bins))

    def observe(self, row: Outputs) -> None:
        """Count an answer, forget the oldest. row: the model's outputs for one picture."""
        places = self._places(row)
        forgotten = self._recent[self._oldest]
        self._recent[self._oldest] = places
        self._oldest = (self._oldest + 1) % len(self._recent)
        counts = self._counts.own
        for place in places:
            counts[place] += 1
        for place in forgotten:
            counts[place] -= 1

    def report(self) -> DriftReport:
        """Of this worker and all others of the same service."""
        counts = self._counts.total()
        answers = counts[FAMILIAR] + counts[UNFAMILIAR]
        index: dict[str, float | None] = {}
        start = FIRST_BIN
        for facet, shares in self._facets.items():
            bins = counts[start : start + len(shares)]
            start += len(shares)
            index[facet] = (
                stability_index(shares, bins) if answers >= MIN_ANSWERS_PER_BIN * len(shares) else None
            )
        return DriftReport(answers, counts[UNFAMILIAR] / answers if answers else None, index)


def stability_index(expected: Sequence[float], counts: Sequence[int]) -> float:
    """The population stability index (PSI): 0 where the counts are distributed as expected, more the
    less they are. Never below 0, and the same with both sides exchanged.

    expected: shares. counts: of the same bins, not all 0. Where nothing has changed it is about
    (bins - 1) * (1 / n + 1 / m) for n and m answers on the two sides (Yurdakul, Statistical Properties of
    Population Stability Index, 2018, https://scholarworks.wmich.edu/dissertations/3208).
    """
    total = sum(counts)
    pairs = [(max(then, FLOOR), max(now / total, FLOOR)) for then, now in zip(expected, counts, strict=True)]
    return sum((now - then) * math.log(now / then) for then, now in pairs)


def _facets(card: Card) -> dict[str, Sequence[float]]:
    """The usual shares of each facet's bins, in the order in which _places counts them."""
    match card.reference:
        case None:
            return {}
        case ClassReference() as usual:
            return {
                "answer": usual.classes,
                "confidence": usual.confidence.shares,
                "familiarity": usual.familiarity.shares,
            }
        case PriceReference() as usual:
            return {"answer": usual.prices.shares, "familiarity": usual.familiarity.shares}


def _binner(card: Card) -> Callable[[Outputs], Bins]:
    """Where an answer counts. Plain Python: NumPy's functions cost more than all of this on one row."""
    threshold = card.familiarity_threshold
    match card.reference:
        case None:

            def places(row: Outputs) -> Bins:
                return (FAMILIAR if row["familiarity"].item() >= threshold else UNFAMILIAR,)

        case ClassReference() as usual:
            confidences, familiarities = usual.confidence.edges, usual.familiarity.edges
            second = FIRST_BIN + len(usual.classes)
            third = second + len(usual.confidence.shares)

            def places(row: Outputs) -> Bins:
                probabilities, familiarity = row["probabilities"].tolist(), row["familiarity"].item()
                confidence = max(probabilities)
                return (
                    FAMILIAR if familiarity >= threshold else UNFAMILIAR,
                    FIRST_BIN + probabilities.index(confidence),
                    second + bisect_right(confidences, confidence),
                    third + bisect_right(familiarities, familiarity),
                )

        case PriceReference() as usual:
            prices, familiarities = usual.prices.edges, usual.familiarity.edges
            second = FIRST_BIN + len(usual.prices.shares)

            def places(row: Outputs) -> Bins:
                familiarity = row["familiarity"].item()
                return (
                    FAMILIAR if familiarity >= threshold else UNFAMILIAR,
                    FIRST_BIN + bisect_right(prices, row["value"].item()),
                    second + bisect_right(familiarities, familiarity),
                )

    return places
