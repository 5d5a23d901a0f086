"""How an exported file answered its test split, as values that any tool can record."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Exhibit:
    """One picture of a gallery.

    Attributes:
        pixels: uint8 (H, W, C); None where the licence does not allow to show it.
        actual: The true class or price.
        predicted: The answered class or price.
        absolute_error: Of a price in its unit; of a class one minus the probability of the true one.
    """

    pixels: npt.NDArray[np.uint8] | None
    actual: str | float
    predicted: str | float
    absolute_error: float


@dataclass(frozen=True)
class TestAnswers:
    """The answers to a test split of N pictures.

    Attributes:
        gallery: The worst answers, the worst first.
        labels: Names of the K classes; empty for a regressor, as are the two below.
        actual: int64 (N,), true classes.
        predicted: int64 (N,), answered classes.
    """

    __test__ = False  # no class of tests, whatever pytest makes of its name

    gallery: Sequence[Exhibit]
    labels: Sequence[str]
    actual: npt.NDArray[np.int64]
    predicted: npt.NDArray[np.int64]

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """Int64 (K, K), true class by answered class."""
        count = len(self.labels)
        index = self.actual * count + self.predicted
        return np.bincount(index, minlength=count * count).reshape(count, count)
