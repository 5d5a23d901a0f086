"""The exported modules: a network, and all that turns its scores into the graph's outputs."""

from torch import Tensor, nn

from training.export.calibration import Interval
from training.export.familiarity import Familiarity
from training.fitting.result import LogPriceScaler
from training.networks.architectures import Network, to_float


class Classifier(nn.Module):
    """pixels uint8 (N, H, W, C) -> probabilities (N, K), familiarity (N,)."""

    def __init__(self, network: Network, temperature: float, familiarity: Familiarity) -> None:
        super().__init__()
        self.network, self.temperature, self.familiarity = network, temperature, familiarity

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Calibrated probabilities."""
        features = self.network.features(to_float(pixels))
        logits = self.network.scores(features) / self.temperature
        return logits.softmax(1), self.familiarity(features)


class Regressor(nn.Module):
    """pixels uint8 (N, H, W, C) -> value, low, high, familiarity, each (N,)."""

    def __init__(
        self, network: Network, scaler: LogPriceScaler, interval: Interval, familiarity: Familiarity
    ) -> None:
        super().__init__()
        self.network, self.familiarity = network, familiarity
        self.scaler, self.interval = scaler, interval

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Prices in the unit of the training prices."""
        features = self.network.features(to_float(pixels))
        scores = self.network.scores(features)[:, 0]
        log_price = scores * self.scaler.std + self.scaler.mean
        low, high = (log_price + bound for bound in self.interval(scores))
        return log_price.exp(), low.exp(), high.exp(), self.familiarity(features)
