"""Familiarity: how much a picture's features look like those of the training pictures.

It is fitted on training pictures and on outliers (training/data/synthetic/outliers.py), and it is part of the
exported graph (docs/decisions/0008).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLIP_SIGMAS = 8.0
"""Whitened features are clipped to this many standard deviations on either side."""

FAMILIAR_FRACTION = 0.985
"""Fraction of the calibration pictures that count as familiar, which sets the threshold."""

PROBE_BATCH_SIZE = 256
"""Training pictures in one step, and as many outliers."""


@dataclass(frozen=True)
class FamiliarityOptions:
    """How much familiarity is fitted on; the defaults are those of the published models.

    Attributes:
        outliers: Outliers to fit on, at most.
        examples: Training pictures to fit on, at most, each once as it is and once augmented.
        pages: Digits on pages among them, at most, for models that were trained on pages.
        test_outliers: Outliers to measure on (the metric strangers_refused).
        steps: Training steps of the probe.
    """

    outliers: int = 12_000
    examples: int = 12_000
    pages: int = 4_000
    test_outliers: int = 1_000
    steps: int = 3_000


PUBLISHED_OPTIONS = FamiliarityOptions()


class Familiarity(nn.Module):
    """1 for features like those of the training pictures, towards 0 for others.

    The product of two factors. A small network, the probe, was trained to tell outliers from training
    pictures (outlier exposure, Hendrycks et al., ICLR 2019). For pictures that are like neither: the
    Mahalanobis distance to the training features in their leading principal components, and the part of the
    features that those components do not explain.
    """

    mean: Tensor
    whiten: Tensor
    axes: Tensor
    residual: Tensor

    def __init__(
        self, features: Tensor, outliers: Tensor, components: int = 120, steps: int = PUBLISHED_OPTIONS.steps
    ) -> None:
        """Fit to features of training pictures, float32 (N, F), and of outliers, float32 (M, F)."""
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
        # Where the components explain nearly everything, the rest is rounding.
        total = centred.square().sum(1).mean()
        self.register_buffer("residual", unexplained.clamp_min(0.01 * float(total) + 1e-6))
        self.probe = _fit_probe(*(self._whitened(part) for part in (features, outliers)), steps)

    def forward(self, features: Tensor) -> Tensor:
        """float32 (N, F) -> (N,) in [0, 1]."""
        whitened = self._whitened(features)
        distance = whitened[:, :-1].square().mean(1) + whitened[:, -1].square()
        probability: Tensor = self.probe(whitened)[:, 0].sigmoid()
        return probability * torch.exp(-0.05 * distance)

    def _whitened(self, features: Tensor) -> Tensor:
        """float32 (N, components + 1): whitened components, and the length of the unexplained rest."""
        centred = features - self.mean
        projected = centred @ self.axes
        rest = (centred - projected @ self.axes.T).square().sum(1, keepdim=True)
        whitened = torch.cat([projected * self.whiten, (rest / self.residual).sqrt()], dim=1)
        return whitened.clamp(-CLIP_SIGMAS, CLIP_SIGMAS)


def _fit_probe(examples: Tensor, outliers: Tensor, steps: int, hidden: int = 128) -> nn.Module:
    """A network with a positive score for examples, negative for outliers, both weighing the same."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    probe = nn.Sequential(nn.Linear(examples.shape[1], hidden), nn.ReLU(), nn.Linear(hidden, 1))
    optimizer = torch.optim.AdamW(probe.parameters(), lr=3e-3, weight_decay=1e-2)
    targets = torch.cat([torch.ones(PROBE_BATCH_SIZE), torch.zeros(PROBE_BATCH_SIZE)])
    with torch.enable_grad():
        for _ in range(steps):
            batch = torch.cat([
                part[torch.randint(len(part), (PROBE_BATCH_SIZE,), generator=generator)]
                for part in (examples, outliers)
            ])  # fmt: skip
            loss = F.binary_cross_entropy_with_logits(probe(batch)[:, 0], targets)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return probe.eval().requires_grad_(False)


def familiarity_threshold(familiarity: npt.NDArray[np.float32]) -> float:
    """The familiarity that FAMILIAR_FRACTION of the calibration pictures reach; familiarity: (N,)."""
    return float(np.quantile(familiarity, 1 - FAMILIAR_FRACTION))
