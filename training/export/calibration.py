"""Calibration: the temperature of probabilities, and the interval around a price.

Both are fitted on pictures that no weight was trained on, and both are part of the exported graph.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

TREND_QUANTILES = (0.1, 0.9)
"""Quantiles of the calibration scores between which an interval widens. Extrapolated to the dearest tenth,
the trend would give bounds a hundred times the highest price."""


def fit_temperature(
    logits: Tensor, classes: Tensor, smoothing: float = 0.0, class_weights: Tensor | None = None
) -> float:
    """The T for which softmax(logits / T) has the lowest cross entropy (Guo et al., ICML 2017).

    Args:
        logits: (N, K).
        classes: (N,).
        smoothing: Fraction of the pictures that may be of any class: without a single mistake to learn from,
            T would be 0 and every answer sure.
        class_weights: What a picture of each class counts, (K,); all the same by default.
    """

    def loss(log_t: Tensor) -> Tensor:
        return F.cross_entropy(logits / log_t.exp(), classes, class_weights, label_smoothing=smoothing)

    return float(_minimise(loss).exp())


def _minimise(loss: Callable[[Tensor], Tensor]) -> Tensor:
    """The argument, (1,), at which a smooth loss is lowest; the search starts at 0."""
    argument = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS([argument], lr=0.1, max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(argument)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return argument.detach()


@dataclass(frozen=True)
class Interval:
    """Bounds on the true log price around the predicted one, wider for dearer or for cheaper cars.

    Attributes:
        low: Added to the log price for the lower bound, at a score of 0.
        high: The same for the upper bound.
        slope: Growth of the logarithm of both per unit of the score.
        scores: The range in which they grow; outside it there are too few pictures for a trend.
    """

    low: float
    high: float
    slope: float
    scores: tuple[float, float]

    def __call__(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """The network's scores, (N,) -> what to add to the log price for either bound, each (N,)."""
        spread = torch.exp(self.slope * scores.clamp(*self.scores))
        return self.low * spread, self.high * spread


def fit_interval(
    residuals: npt.NDArray[np.float64],
    scores: npt.NDArray[np.float64],
    groups: npt.NDArray[np.str_],
    coverage: float,
) -> Interval:
    """Split conformal bounds on a residual, asymmetric, widening with the score (docs/decisions/0016).

    Lei et al. (JASA 2018), with its locally weighted residuals; each group counts the same, because a new
    picture is of a new group.

    Args:
        residuals: True minus predicted log price, (N,), of groups that were never trained on.
        scores: What the network predicted, (N,).
        groups: The group of each picture, (N,).
        coverage: Fraction of new residuals inside; half of the rest lies on either side.
    """
    _, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights = 1.0 / counts[index]
    order = np.argsort(scores)
    ends = np.searchsorted(np.cumsum(weights[order]) / weights.sum(), TREND_QUANTILES)
    least, greatest = (float(end) for end in scores[order][ends])
    scores = scores.clip(least, greatest)
    slope = _fit_slope(residuals, scores, weights)
    scaled = residuals / np.exp(slope * scores)
    order = np.argsort(scaled)
    # The finite-sample correction: the unseen group may be at the far end of either tail.
    cumulative = np.cumsum(weights[order]) / (weights.sum() + 1)
    tail = (1 - coverage) / 2
    low = max(int(np.searchsorted(cumulative, tail, side="right")) - 1, 0)
    high = min(int(np.searchsorted(cumulative, 1 - tail)), len(scaled) - 1)
    return Interval(float(scaled[order][low]), float(scaled[order][high]), slope, (least, greatest))


def _fit_slope(
    residuals: npt.NDArray[np.float64], scores: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]
) -> float:
    """Growth of the logarithm of the residuals' size with the score.

    Maximum likelihood of a Laplace distribution with a normal prior of standard deviation 1/2, so that a
    handful of groups does not give an absurd slope.
    """
    size, score, weight = (torch.from_numpy(values).double() for values in (residuals, scores, weights))
    size = size.abs().clamp_min(1e-9)

    def loss(slope: Tensor) -> Tensor:
        fraction = weight / weight.sum()
        scale = (fraction * size * torch.exp(-slope * score)).sum().log()
        level = scale + slope * (fraction * score).sum()
        return weight.sum() * level + 2 * slope.square().sum()

    return float(_minimise(loss))
