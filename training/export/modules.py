"""What is exported: a network together with all that makes answers of its scores."""

from torch import Tensor, nn

from training.export.calibration import Familiarity, Interval
from training.fitting.fit import to_float
from training.networks.architectures import Network


class Classifier(nn.Module):
    """pixels uint8 (N, H, W, C) -> probabilities (N, K), familiarity (N,)."""

    def __init__(self, network: Network, temperature: float, familiarity: Familiarity) -> None:
        super().__init__()
        self.network, self.temperature, self.familiarity = network, temperature, familiarity

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        features = self.network.features(to_float(pixels))
        logits = self.network.scores(features) / self.temperature
        return logits.softmax(1), self.familiarity(features)


class Regressor(nn.Module):
    """pixels uint8 (N, H, W, C) -> value, low, high, familiarity, each (N,)."""

    def __init__(
        self,
        network: Network,
        mean: float,
        std: float,
        interval: Interval,
        familiarity: Familiarity,
    ) -> None:
        super().__init__()
        self.network, self.familiarity = network, familiarity
        self.mean, self.std, self.interval = mean, std, interval

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        features = self.network.features(to_float(pixels))
        scores = self.network.scores(features)[:, 0]
        log_price = scores * self.std + self.mean
        low, high = (log_price + bound for bound in self.interval(scores))
        return log_price.exp(), low.exp(), high.exp(), self.familiarity(features)
