"""The distribution of a model's outputs at export; drift is measured against it.

Computed by training/export/drift_reference.py, compared by service/monitoring/drift.py (docs/decisions/0014).
"""

import math
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from models.value import Value


def _check_sum(shares: tuple[float, ...]) -> tuple[float, ...]:
    if not math.isclose(sum(shares), 1, abs_tol=1e-6):
        raise ValueError(f"the shares sum to {sum(shares):.6g}, not to 1")
    return shares


Shares = Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(min_length=1), AfterValidator(_check_sum)]
"""Fractions of a whole, each 0 to 1; they sum to 1 within 1e-6."""


class Histogram(Value):
    """Relative frequencies of a number, by bins.

    Attributes:
        edges: Strictly increasing. A bin includes its lower edge and excludes its upper one; the first and
            the last bin are open-ended.
        shares: One per bin, so one more than there are edges.
    """

    edges: tuple[float, ...]
    shares: Shares

    @model_validator(mode="after")
    def _check_bins(self) -> "Histogram":
        if len(self.shares) != len(self.edges) + 1:
            raise ValueError(f"{len(self.edges)} edges make {len(self.edges) + 1} bins")
        if any(low >= high for low, high in pairwise(self.edges)):
            raise ValueError("the edges do not increase")
        return self


class DriftReference(Value):
    """The fields of every reference: outputs on pictures like the training data.

    Attributes:
        data: Name of the data set.
        n: Number of pictures.
        familiarity: Of the output `familiarity`, 0 to 1.
    """

    data: str
    n: Annotated[int, Field(gt=0)]
    familiarity: Histogram


class ClassReference(DriftReference):
    """The reference of a classifier.

    Attributes:
        classes: Relative frequency of each predicted class, in the order of the card's labels.
        confidence: Of the predicted class's probability.
    """

    classes: Annotated[Shares, Field(min_length=2)]
    confidence: Histogram


class PriceReference(DriftReference):
    """The reference of a regressor.

    Attributes:
        prices: In the card's unit. Deciles of the price are deciles of the log price too, so the bins
            serve both.
    """

    prices: Histogram
