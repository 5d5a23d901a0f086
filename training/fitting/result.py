"""The result of a training: a network, the scale of its targets, and the metrics of each epoch."""

from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.atomic import replacing
from training.data.splits import DataError
from training.networks.architectures import Network
from training.recipe import Recipe


@dataclass(frozen=True)
class LogPriceScaler:
    """Prices as standardised logarithms, which is what a network predicts.

    L1 on log price is a relative error: a 20 % miss weighs the same on a small car and on a supercar
    (docs/decisions/0005).

    Attributes:
        mean: Mean of the natural logarithms of the training prices.
        std: Their standard deviation, at least 1e-6.
    """

    mean: float
    std: float

    @staticmethod
    def of(prices: np.ndarray) -> "LogPriceScaler":  # type: ignore[type-arg]
        """The scale of these prices, (N,)."""
        logs = np.log(prices)
        return LogPriceScaler(float(logs.mean()), float(max(logs.std(), 1e-6)))

    def scaled(self, prices: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        """Prices (N,) -> their logarithms."""
        return np.log(prices)  # type: ignore[no-any-return]

    def unscaled(self, logs: Tensor) -> Tensor:
        """Logarithms (N,) -> prices."""
        return logs.exp()

    def standardise(self, prices: np.ndarray) -> Tensor:  # type: ignore[type-arg]
        """Prices (N,) -> float32 (N,), mean 0 and standard deviation 1 over the training prices."""
        return torch.from_numpy((self.scaled(prices) - self.mean) / self.std).float()


@dataclass(frozen=True)
class LinearScaler:
    """Numbers as they are, standardised: an error weighs the same wherever it is made.

    Attributes:
        mean: Mean of the training numbers.
        std: Their standard deviation, at least 1e-6.
        floor: Predictions and bounds are no lower: half of the lowest training number, greater than 0.
    """

    mean: float
    std: float
    floor: float

    @staticmethod
    def of(numbers: np.ndarray) -> "LinearScaler":  # type: ignore[type-arg]
        """The scale of these positive numbers, (N,)."""
        std = float(max(numbers.std(), 1e-6))
        return LinearScaler(float(numbers.mean()), std, float(numbers.min()) / 2)

    def scaled(self, numbers: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        """Numbers (N,) as they are."""
        return numbers

    def unscaled(self, numbers: Tensor) -> Tensor:
        """Numbers (N,), those below the floor raised to it."""
        return numbers.clamp_min(self.floor)

    def standardise(self, numbers: np.ndarray) -> Tensor:  # type: ignore[type-arg]
        """Numbers (N,) -> float32 (N,), mean 0 and standard deviation 1 over the training numbers."""
        return torch.from_numpy((numbers - self.mean) / self.std).float()


@dataclass(frozen=True)
class EpochMetrics:
    """Losses and metrics of one epoch.

    The metric is the accuracy, or the median relative error of the price. On the training split both are
    measured on augmented pictures.
    """

    epoch: int
    train_loss: float
    train_metric: float
    validation_loss: float
    validation_metric: float


@dataclass(frozen=True)
class TrainingResult:
    """A trained network.

    Attributes:
        network: In eval mode, on the CPU, with the weights of the best epoch.
        scaler: Of a regressor, whose numbers are prices; None for a classifier.
        history: One entry per epoch.
    """

    network: Network
    scaler: LogPriceScaler | None
    history: tuple[EpochMetrics, ...]

    @property
    def curves(self) -> dict[str, list[float]]:
        """train_loss, train_metric, validation_loss, validation_metric: one value per epoch."""
        names = [field.name for field in fields(EpochMetrics) if field.name != "epoch"]
        return {name: [float(f"{getattr(epoch, name):.5g}") for epoch in self.history] for name in names}

    def after(self, first: "TrainingResult") -> "TrainingResult":
        """This result with the history of an earlier training of the same network before its own."""
        count = len(first.history)
        later = (replace(epoch, epoch=epoch.epoch + count) for epoch in self.history)
        return replace(self, history=(*first.history, *later))

    def save(self, folder: Path) -> None:
        """Write folder/fitted.pt, which `load` reads."""
        save_atomically(folder / "fitted.pt", {
            "network": self.network.state_dict(),
            "target": self.scaler and astuple(self.scaler),
            "history": [astuple(epoch) for epoch in self.history],
        })  # fmt: skip

    @staticmethod
    def load(folder: Path, recipe: Recipe) -> "TrainingResult":
        """Read what `save` wrote.

        Raises:
            DataError: The recipe has not been trained in this folder.
        """
        path = folder / "fitted.pt"
        if not path.exists():
            raise DataError(f"{path} is missing: run `python -m training train {recipe.name}`.")
        state = torch.load(path, weights_only=True)
        network = recipe.network()
        network.load_state_dict(state["network"])
        scaler = state["target"] and LogPriceScaler(*state["target"])
        return TrainingResult(network.eval(), scaler, tuple(EpochMetrics(*row) for row in state["history"]))


def save_atomically(path: Path, state: dict[str, object]) -> None:
    """Write with torch.save; the file appears whole or not at all."""
    with replacing(path) as partial:
        torch.save(state, partial)
