"""A network that grows surer than it is right: test loss and accuracy over the epochs of an overfit."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor, nn

from models.image.views import DigitView
from training.course.workbench import Workbench
from training.data.sources import load

EPOCHS = 50
BATCH_SIZE = 50
RATE = 1e-3
LAST = 10
"""Epochs over which the end is averaged: the accuracy of a single one wavers."""


@dataclass(frozen=True)
class Overfit:
    """The history of a network on few pictures.

    Attributes:
        pictures: Number of training pictures.
        train_loss: Cross entropy of the training pictures after each epoch.
        test_loss: Of the test pictures.
        train_accuracy: The fraction of the training pictures that is right.
        test_accuracy: Of the test pictures.
        calibration_logits: float32 (M, 10), after the last epoch, of pictures for a temperature.
        calibration_classes: int64 (M,).
        test_logits: float32 (N, 10), after the last epoch.
        test_classes: int64 (N,).
    """

    pictures: int
    train_loss: list[float]
    test_loss: list[float]
    train_accuracy: list[float]
    test_accuracy: list[float]
    calibration_logits: Tensor
    calibration_classes: Tensor
    test_logits: Tensor
    test_classes: Tensor

    @property
    def lowest_loss(self) -> int:
        """The epoch, from 0, with the lowest test loss."""
        return int(np.argmin(self.test_loss))

    @property
    def end(self) -> tuple[float, float]:
        """Test loss and test accuracy, means over the last epochs."""
        return float(np.mean(self.test_loss[-LAST:])), float(np.mean(self.test_accuracy[-LAST:]))


def small_cnn() -> nn.Sequential:
    """Two strided convolutions and two linear layers: float32 (N, 1, 28, 28) -> scores (N, 10)."""
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 16, 5, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 5, stride=2), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 64), nn.ReLU(), nn.Linear(64, 10))


def overfit(workbench: Workbench) -> Overfit:
    """Train a small CNN with Adam on 1,000 digits, far beyond the lowest test loss.

    Once in a process: two labs look at it.
    """
    return _overfit(workbench.data, workbench.size(3000, 2000))


@lru_cache(1)
def _overfit(root: Path, tested: int) -> Overfit:
    splits = load("mnist", DigitView(), root)
    parts = []
    sizes = ((splits.train, 1000), (splits.calibration, 1000), (splits.test, tested))
    for part, count in sizes:
        few = part[:count]
        parts.append(
            (torch.from_numpy(few.pixels).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(few.targets))
        )
    (pictures, classes), calibration, test = parts
    network = small_cnn()
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    history: list[tuple[float, ...]] = []
    for _ in track(range(EPOCHS), "an overfit"):
        for index in torch.randperm(len(pictures)).split(BATCH_SIZE):
            loss = F.cross_entropy(network(pictures[index]), classes[index])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        with torch.no_grad():
            scores = [(network(x), y) for x, y in ((pictures, classes), test)]
        history.append((
            *(F.cross_entropy(logits, true).item() for logits, true in scores),
            *((logits.argmax(1) == true).float().mean().item() for logits, true in scores),
        ))  # fmt: skip
    with torch.no_grad():
        logits = [network(x) for x, _ in (calibration, test)]
    curves = [list(values) for values in zip(*history, strict=True)]
    return Overfit(len(pictures), *curves, logits[0], calibration[1], logits[1], test[1])
