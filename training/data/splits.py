"""Pictures with their answers, split for training.

Every set (training/data/mnist.py, training/data/price_table.py, training/data/synthetic/cars.py) ends as
`Splits`: train, validation (early stopping), calibration (temperature, intervals, familiarity threshold) and
test (what the card states). Pixels are what the recipe's view made of the pictures, uint8
(N, H, W, C): training sees exactly what serving sees.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt


class DataError(Exception):
    """Data that cannot be trained on; the message lists the offending lines or says how to get it."""


@dataclass(frozen=True)
class Examples:
    """pixels: uint8 (N, H, W, C). targets: int64 classes or float64 prices (N,). groups: str (N,).
    facts: what else is known about each picture, str (N,) by name, "" where it is not."""

    pixels: npt.NDArray[np.uint8]
    targets: npt.NDArray[np.generic]
    groups: npt.NDArray[np.str_] | None = None
    facts: Mapping[str, npt.NDArray[np.str_]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: npt.NDArray[np.generic] | slice) -> "Examples":
        groups = None if self.groups is None else self.groups[index]
        facts = {name: values[index] for name, values in self.facts.items()}
        return Examples(self.pixels[index], self.targets[index], groups, facts)

    @staticmethod
    def joined(*parts: "Examples") -> "Examples":
        """All of them, one part after the other."""
        groups = [part.groups for part in parts if part.groups is not None]
        return Examples(
            np.concatenate([part.pixels for part in parts]),
            np.concatenate([part.targets for part in parts]),
            np.concatenate(groups) if groups else None,
            {name: np.concatenate([part.facts[name] for part in parts]) for name in parts[0].facts},
        )


@dataclass(frozen=True)
class Splits:
    """One data set, ready to train on. fingerprint: sha256 over the pixels and targets of all parts."""

    name: str
    train: Examples
    validation: Examples
    calibration: Examples
    test: Examples
    licence: str = ""

    @property
    def fingerprint(self) -> str:
        digest = hashlib.sha256()
        for part in (self.train, self.validation, self.calibration, self.test):
            digest.update(np.ascontiguousarray(part.pixels).data)
            digest.update(np.ascontiguousarray(part.targets).data)
        return digest.hexdigest()

    def limited(self, count: int) -> "Splits":
        """The same set with at most `count` training pictures and a tenth of that in the other parts."""
        few = max(count // 10, 50)
        return replace(
            self,
            train=self.train[:count],
            validation=self.validation[:few],
            calibration=self.calibration[:few],
            test=self.test[:few],
        )


def group_weights(examples: Examples) -> npt.NDArray[np.float32]:
    """The weight of each picture in the loss, float32 (N,), mean 1.

    Forty photos of one car model are not forty independent prices: a group counts with the square root of its
    size.
    """
    if examples.groups is None:
        return np.ones(len(examples), np.float32)
    _, index, counts = np.unique(examples.groups, return_inverse=True, return_counts=True)
    weights = 1 / np.sqrt(counts[index])
    return (weights / weights.mean()).astype(np.float32)
