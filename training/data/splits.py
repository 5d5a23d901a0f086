"""Labelled pictures, split into the parts that training needs.

Every data set (training/data/mnist.py, training/data/price_table.py, training/data/synthetic/cars.py)
ends as `Splits`. Pixels are what the recipe's view made of the pictures, so training sees exactly what
serving sees.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt


class DataError(Exception):
    """Data that cannot be had or trained on; the message says what to mend."""


@dataclass(frozen=True)
class Examples:
    """Pictures and what is to be predicted from them.

    Attributes:
        pixels: uint8 (N, H, W, C).
        targets: int64 classes or float64 prices, (N,).
        groups: str (N,), what must not be on both sides of a split; None where pictures are independent.
        facts: What else is known about each picture, str (N,) by name, "" where it is unknown.
        scores: A teacher's scores, float32 (N, K), where it was asked (training/fitting/distillation.py).
    """

    pixels: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.generic]
    groups: npt.NDArray[np.str_] | None = None
    facts: Mapping[str, npt.NDArray[np.str_]] = field(default_factory=dict)
    scores: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: npt.NDArray[np.generic] | slice) -> "Examples":
        groups = None if self.groups is None else self.groups[index]
        facts = {name: values[index] for name, values in self.facts.items()}
        scores = None if self.scores is None else self.scores[index]
        return Examples(self.pixels[index], self.targets[index], groups, facts, scores)

    @property
    def fingerprint(self) -> str:
        """sha256 over pixels and targets, as hex digits."""
        return _sha256(self)

    @staticmethod
    def joined(*parts: "Examples") -> "Examples":
        """All of them, one part after the other."""
        groups = [part.groups for part in parts if part.groups is not None]
        scores = [part.scores for part in parts if part.scores is not None]
        return Examples(
            np.concatenate([part.pixels for part in parts]),
            np.concatenate([part.targets for part in parts]),
            np.concatenate(groups) if groups else None,
            {name: np.concatenate([part.facts[name] for part in parts]) for name in parts[0].facts},
            np.concatenate(scores) if scores else None,
        )


@dataclass(frozen=True)
class Splits:
    """One data set, ready to train on.

    Attributes:
        name: As recipes and cards state it.
        train: What weights are fitted on.
        validation: What early stopping watches.
        calibration: What temperature, intervals and the familiarity threshold are fitted on.
        test: What the card's metrics are measured on.
        licence: Of the pictures.
    """

    name: str
    train: Examples
    validation: Examples
    calibration: Examples
    test: Examples
    licence: str = ""

    @property
    def fingerprint(self) -> str:
        """sha256 over pixels and targets of all parts, as hex digits."""
        return _sha256(self.train, self.validation, self.calibration, self.test)

    def limited(self, count: int) -> "Splits":
        """At most `count` training pictures, and a tenth of that in the other parts."""
        few = max(count // 10, 50)
        return replace(
            self,
            train=self.train[:count],
            validation=self.validation[:few],
            calibration=self.calibration[:few],
            test=self.test[:few],
        )


def group_weights(part: Examples) -> npt.NDArray[np.float32]:
    """Loss weights by which a group counts with the square root of its size.

    Forty photos of one car model are not forty independent prices.

    Returns:
        float32 (N,), mean 1.
    """
    if part.groups is None:
        return np.ones(len(part), np.float32)
    _, index, counts = np.unique(part.groups, return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(counts[index])
    return (weights / weights.mean()).astype(np.float32)


def _sha256(*parts: Examples) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part.pixels).data)
        digest.update(np.ascontiguousarray(part.targets).data)
    return digest.hexdigest()
