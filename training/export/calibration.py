"""What makes an answer honest: a temperature, an interval, and a sense for the unfamiliar.

All of it is fitted on pictures that no weight was trained on, and all of it ends up in the graph.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLIP_SIGMAS = 8.0
"""Standard deviations: whatever is farther away than this is simply far."""

TREND = (0.1, 0.9)
"""Quantiles of the calibration scores between which an interval widens: a trend carried on to the dearest
tenth would ask a hundred times the price of the dearest."""

FAMILIAR_SHARE = 0.985
"""Share of the calibration pictures that count as familiar: where the threshold is put."""


def temperature(logits: Tensor, classes: Tensor) -> float:
    """The T for which softmax(logits / T) has the lowest cross entropy (Guo et al., ICML 2017)."""
    return float(_minimum(lambda log_t: F.cross_entropy(logits / log_t.exp(), classes)).exp())


def _minimum(loss: Callable[[Tensor], Tensor]) -> Tensor:
    """Where a smooth loss of one number is least, looked for from 0."""
    at = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS([at], lr=0.1, max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        found = loss(at)
        found.backward()  # type: ignore[no-untyped-call]
        return found

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return at.detach()


@dataclass(frozen=True)
class Interval:
    """Where the true log price lies, as bounds around the told one, wider for dearer or cheaper cars.

    low, high: bounds for a score of 0. slope: what a score of 1 more does to them, as a logarithm.
    scores: from where to where they do; beyond too few are known for a trend.
    """

    low: float
    high: float
    slope: float
    scores: tuple[float, float]

    def __call__(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """The network's scores, (N,) -> what to add to the log price for either bound, each (N,)."""
        spread = torch.exp(self.slope * scores.clamp(*self.scores))
        return self.low * spread, self.high * spread


def interval(
    residuals: npt.NDArray[np.float64],
    scores: npt.NDArray[np.float64],
    groups: npt.NDArray[np.str_],
    coverage: float,
) -> Interval:
    """Split conformal bounds on a residual, asymmetric, as wide as prices like it are uncertain, each
    group counting the same.

    residuals: truth minus prediction on the log scale, of groups never trained on. scores: what the
    network said, float64 (N,). `coverage` of new residuals lie inside, half of the rest on either side
    (Lei et al., JASA 2018, with its locally weighted residuals; group weights because a new picture is
    of a new group).
    """
    _, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights = 1.0 / counts[index]
    order = np.argsort(scores)
    ends = np.searchsorted(np.cumsum(weights[order]) / weights.sum(), TREND)
    least, greatest = (float(end) for end in scores[order][ends])
    scores = scores.clip(least, greatest)
    slope = _slope(residuals, scores, weights)
    scaled = residuals / np.exp(slope * scores)
    order = np.argsort(scaled)
    # The unseen group stands at the far end of either tail: the finite-sample correction.
    cumulative = np.cumsum(weights[order]) / (weights.sum() + 1)
    tail = (1 - coverage) / 2
    low = max(int(np.searchsorted(cumulative, tail, side="right")) - 1, 0)
    high = min(int(np.searchsorted(cumulative, 1 - tail)), len(scaled) - 1)
    return Interval(float(scaled[order][low]), float(scaled[order][high]), slope, (least, greatest))


def _slope(
    residuals: npt.NDArray[np.float64], scores: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> float:
    """How the logarithm of the residuals' size grows with the score: maximum likelihood of a Laplace
    distribution, and a normal prior of standard deviation 1/2: a handful of groups must not ask for the
    absurd."""
    size, score, weight = (torch.from_numpy(values).double() for values in (residuals, scores, weights))
    size = size.abs().clamp_min(1e-9)

    def loss(slope: Tensor) -> Tensor:
        share = weight / weight.sum()
        level = (share * size * torch.exp(-slope * score)).sum().log() + slope * (share * score).sum()
        return weight.sum() * level + 2 * slope.square().sum()

    return float(_minimum(loss))


class Familiarity(nn.Module):
    """How much a picture's features look like those of the training pictures: 1 fully, towards 0 not.

    Two doubts, multiplied. A small network that was shown strangers (training/data/synthetic/outliers.py)
    tells them from training pictures (outlier exposure, Hendrycks et al., ICLR 2019). For what is like
    neither: the Mahalanobis distance to the training features in their leading principal
    components, and the part of the features that those do not explain.
    """

    mean: Tensor
    whiten: Tensor
    axes: Tensor
    residual: Tensor

    def __init__(self, features: Tensor, strangers: Tensor, components: int = 120) -> None:
        """features: float32 (N, F) of training pictures. strangers: float32 (M, F)."""
        super().__init__()
        mean = features.mean(0)
        centred = features - mean
        values, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
        count = min(components, features.shape[1])
        axes = vectors[:, -count:]
        # Features that never vary (dead units) would otherwise divide by zero.
        spread = values[-count:].clamp_min(1e-6 * max(float(values[-1]), 1e-6)).sqrt()
        self.register_buffer("mean", mean)
        self.register_buffer("axes", axes)
        self.register_buffer("whiten", 1 / spread)
        unexplained = (centred - centred @ axes @ axes.T).square().sum(1).mean()
        # Where the components explain nearly everything, what is left over is rounding.
        everything = centred.square().sum(1).mean()
        self.register_buffer("residual", unexplained.clamp_min(0.01 * float(everything) + 1e-6))
        self.probe = _tell_apart(*(self._described(part) for part in (features, strangers)))

    def forward(self, features: Tensor) -> Tensor:
        """float32 (N, F) -> (N,) in [0, 1]."""
        described = self._described(features)
        distance = described[:, :-1].square().mean(1) + described[:, -1].square()
        known: Tensor = self.probe(described)[:, 0].sigmoid()
        return known * torch.exp(-0.05 * distance)

    def _described(self, features: Tensor) -> Tensor:
        """float32 (N, components + 1): whitened components and the length of what they leave over."""
        centred = features - self.mean
        projected = centred @ self.axes
        rest = (centred - projected @ self.axes.T).square().sum(1, keepdim=True)
        described = torch.cat([projected * self.whiten, (rest / self.residual).sqrt()], dim=1)
        return described.clamp(-CLIP_SIGMAS, CLIP_SIGMAS)


def _tell_apart(known: Tensor, strange: Tensor, hidden: int = 128, steps: int = 3000) -> nn.Module:
    """A network with a positive score for what is known, both sides weighing the same."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    probe = nn.Sequential(nn.Linear(known.shape[1], hidden), nn.ReLU(), nn.Linear(hidden, 1))
    optimizer = torch.optim.AdamW(probe.parameters(), lr=3e-3, weight_decay=1e-2)
    answers = torch.cat([torch.ones(256), torch.zeros(256)])
    with torch.enable_grad():
        for _ in range(steps):
            batch = torch.cat([
                part[torch.randint(len(part), (256,), generator=generator)] for part in (known, strange)
            ])  # fmt: skip
            loss = F.binary_cross_entropy_with_logits(probe(batch)[:, 0], answers)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return probe.eval().requires_grad_(False)


def threshold(familiarity: npt.NDArray[np.float32]) -> float:
    """The score that FAMILIAR_SHARE of the calibration pictures reach."""
    return float(np.quantile(familiarity, 1 - FAMILIAR_SHARE))
