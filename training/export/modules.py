"""The exported modules: a network, and all that turns its scores into the graph's outputs."""

import copy

import torch
from torch import Tensor, nn

from training.export.calibration import Interval
from training.fitting.result import LinearScaler, LogPriceScaler
from training.networks.architectures import Network, to_float

Scaler = LogPriceScaler | LinearScaler


class Classifier(nn.Module):
    """pixels uint8 (N, H, W, C) -> probabilities (N, K), familiarity (N,)."""

    def __init__(self, network: Network, temperature: float, familiarity: nn.Module) -> None:
        super().__init__()
        self.body = _Body(network)
        self.head = ClassifierHead(network, temperature, familiarity)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Calibrated probabilities."""
        outputs: tuple[Tensor, Tensor] = self.head(self.body(pixels))
        return outputs


class ClassifierHead(nn.Module):
    """features (N, F) -> probabilities (N, K), familiarity (N,)."""

    def __init__(self, network: Network, temperature: float, familiarity: nn.Module) -> None:
        """Take the head of a network; its body is not needed."""
        super().__init__()
        self.head = copy.deepcopy(network.head)
        with torch.no_grad():
            self.head.weight /= temperature
            self.head.bias /= temperature
        self.familiarity = familiarity

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Calibrated probabilities."""
        return self.head(features).softmax(1), self.familiarity(features)


class Regressor(nn.Module):
    """pixels uint8 (N, H, W, C) -> value, low, high, familiarity, each (N,)."""

    def __init__(self, network: Network, scaler: Scaler, interval: Interval, familiarity: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.head = RegressorHead(network, scaler, interval, familiarity)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Numbers in the unit of the training numbers."""
        outputs: tuple[Tensor, Tensor, Tensor, Tensor] = self.head(self.network.features(to_float(pixels)))
        return outputs


class RegressorHead(nn.Module):
    """features (N, F) -> value, low, high, familiarity, each (N,)."""

    def __init__(self, network: Network, scaler: Scaler, interval: Interval, familiarity: nn.Module) -> None:
        """Take head and kernel of a network; its body is not needed."""
        super().__init__()
        self.network, self.familiarity = network, familiarity
        self.scaler, self.interval = scaler, interval

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Numbers in the unit of the training numbers."""
        scores = self.network.scores(features)[:, 0]
        value = scores * self.scaler.std + self.scaler.mean
        low, high = (value + bound for bound in self.interval(scores))
        value, low, high = (self.scaler.unscaled(number) for number in (value, low, high))
        return value, low, high, self.familiarity(features)


class _Body(nn.Module):
    """pixels uint8 (N, H, W, C) -> features (N, F) of a network.

    Where black is 0 to the network, its first convolution takes over the division by 255 and by the standard
    deviation: three passes over all pixels less.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        first = next(iter(network.body.children()), None)
        self.folded = isinstance(first, nn.Conv2d) and not network.mean.any()
        if self.folded:
            with torch.no_grad():
                weight = next(self.network.body.parameters())
                weight /= 255 * network.std

    def forward(self, pixels: Tensor) -> Tensor:
        if not self.folded:
            return self.network.features(to_float(pixels))
        features: Tensor = self.network.body(pixels.permute(0, 3, 1, 2).float())
        return features
