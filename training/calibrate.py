"""What makes an answer honest: a temperature, an interval, and a sense for the unfamiliar.

All of it is fitted on pictures that no weight was trained on, and all of it ends up in the graph.
"""

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

FAMILIAR_SHARE = 0.985
"""Share of the calibration pictures that count as familiar: where the threshold is put."""


def temperature(logits: Tensor, classes: Tensor) -> float:
    """The T for which softmax(logits / T) has the lowest cross entropy (Guo et al., ICML 2017)."""
    log_t = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_t], lr=0.1, max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(logits / log_t.exp(), classes)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return float(log_t.detach().exp())


def interval(
    residuals: npt.NDArray[np.float64], groups: npt.NDArray[np.str_], coverage: float
) -> tuple[float, float]:
    """Split conformal bounds on a residual, asymmetric, each group counting the same.

    residuals: truth minus prediction on the log scale, of groups never trained on. Returns
    (low, high): `coverage` of new residuals lie between them, half of the rest on either side
    (Lei et al., JASA 2018; group weights because a new picture is of a new group).
    """
    _, index, counts = np.unique(groups, return_inverse=True, return_counts=True)
    weights = 1.0 / counts[index]
    order = np.argsort(residuals)
    # The unseen group stands at the far end of either tail: the finite-sample correction.
    cumulative = np.cumsum(weights[order]) / (weights.sum() + 1)
    tail = (1 - coverage) / 2
    last = len(residuals) - 1
    low = max(int(np.searchsorted(cumulative, tail)) - 1, 0)
    high = min(int(np.searchsorted(cumulative, 1 - tail)) + 1, last)
    return float(residuals[order][low]), float(residuals[order][high])


class Familiarity(nn.Module):
    """How usual a picture's features are: 1 at the heart of the training pictures, towards 0 away.

    Mahalanobis distance to the nearest class centre in the leading principal components, and the
    part of the features that those components do not explain (Lee et al., NeurIPS 2018).
    """

    mean: Tensor
    whiten: Tensor
    axes: Tensor
    centres: Tensor
    residual: Tensor

    def __init__(self, features: Tensor, classes: Tensor | None, components: int = 48) -> None:
        """features: float32 (N, F) of training pictures. classes: int64 (N,), None for prices."""
        super().__init__()
        mean = features.mean(0)
        centred = features - mean
        if classes is None:
            centres = torch.zeros(1, features.shape[1])
            within = centred
        else:
            centres = torch.stack([centred[classes == label].mean(0) for label in classes.unique()])
            within = centred - centres[torch.searchsorted(classes.unique(), classes)]
        values, vectors = torch.linalg.eigh(within.T @ within / len(within))
        count = min(components, features.shape[1])
        axes = vectors[:, -count:]
        # Features that never vary (dead units) would otherwise divide by zero.
        spread = values[-count:].clamp_min(1e-6 * max(float(values[-1]), 1e-6)).sqrt()
        self.register_buffer("mean", mean)
        self.register_buffer("axes", axes)
        self.register_buffer("whiten", 1 / spread)
        self.register_buffer("centres", (centres @ axes) / spread)
        unexplained = (centred - centred @ axes @ axes.T).square().sum(1).mean()
        # Where the components explain nearly everything, what is left over is rounding.
        everything = centred.square().sum(1).mean()
        self.register_buffer("residual", unexplained.clamp_min(0.01 * float(everything) + 1e-6))

    def forward(self, features: Tensor) -> Tensor:
        """float32 (N, F) -> (N,) in [0, 1]."""
        centred = features - self.mean
        projected = centred @ self.axes
        white = (projected * self.whiten).unsqueeze(1) - self.centres.unsqueeze(0)
        distance = white.square().mean(2).amin(1)
        unexplained = (centred - projected @ self.axes.T).square().sum(1)
        usual: Tensor = torch.exp(-0.25 * (distance + unexplained / self.residual))
        return usual


def threshold(familiarity: npt.NDArray[np.float32]) -> float:
    """The score that FAMILIAR_SHARE of the calibration pictures reach."""
    return float(np.quantile(familiarity, 1 - FAMILIAR_SHARE))
