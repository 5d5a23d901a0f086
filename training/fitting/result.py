"""What training leaves behind: a network, the scale of its answers, and how it got there."""

from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from training.data.splits import DataError
from training.networks.architectures import Network
from training.recipe import Recipe


@dataclass(frozen=True)
class LogPriceScaler:
    """How prices become what a network can learn: standardised logarithms.

    L1 on log price is a relative error: the same weight for a 20 % miss on a small car and on a
    supercar (docs/decisions/0005).
    """

    mean: float
    std: float

    @staticmethod
    def of(prices: np.ndarray) -> "LogPriceScaler":  # type: ignore[type-arg]
        logs = np.log(prices)
        return LogPriceScaler(float(logs.mean()), float(max(logs.std(), 1e-6)))

    def standardise(self, prices: np.ndarray) -> Tensor:  # type: ignore[type-arg]
        return torch.from_numpy((np.log(prices) - self.mean) / self.std).float()


@dataclass(frozen=True)
class EpochMetrics:
    """What one pass over the training set came to. metric: accuracy, or the median relative error; that
    of the training split is of pictures as augmentation changed them."""

    epoch: int
    train_loss: float
    train_metric: float
    validation_loss: float
    validation_metric: float


@dataclass(frozen=True)
class TrainingResult:
    """network: in eval mode on the CPU, the weights of the best epoch. target: None for classes."""

    network: Network
    target: LogPriceScaler | None
    history: tuple[EpochMetrics, ...]

    @property
    def curves(self) -> dict[str, list[float]]:
        """train_loss, train_metric, validation_loss, validation_metric: a value for each epoch."""
        names = [field.name for field in fields(EpochMetrics) if field.name != "epoch"]
        return {name: [float(f"{getattr(epoch, name):.5g}") for epoch in self.history] for name in names}

    def after(self, first: "TrainingResult") -> "TrainingResult":
        """The same, with the history of a first training of the same network before its own."""
        count = len(first.history)
        later = (replace(epoch, epoch=epoch.epoch + count) for epoch in self.history)
        return replace(self, history=(*first.history, *later))

    def save(self, folder: Path) -> None:
        """Write folder/fitted.pt, which `load` reads."""
        save_whole(folder / "fitted.pt", {
            "network": self.network.state_dict(),
            "target": self.target and astuple(self.target),
            "history": [astuple(epoch) for epoch in self.history],
        })  # fmt: skip

    @staticmethod
    def load(folder: Path, recipe: Recipe) -> "TrainingResult":
        """Raises DataError where recipe has not been trained in this folder."""
        path = folder / "fitted.pt"
        if not path.exists():
            raise DataError(f"{path} is missing: run `python -m training train {recipe.name}`.")
        state = torch.load(path, weights_only=True)
        network = recipe.network()
        network.load_state_dict(state["network"])
        target = state["target"] and LogPriceScaler(*state["target"])
        return TrainingResult(network.eval(), target, tuple(EpochMetrics(*row) for row in state["history"]))


def save_whole(path: Path, state: dict[str, object]) -> None:
    """Write with torch.save; the name appears only once the file is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)
