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

FAMILIAR_FRACTION = 0.99
"""Fraction of the calibration pictures that count as familiar, which sets the threshold."""

LOOKALIKES = 0.035
"""Fraction of the outliers that may be the real thing, like a wheel that is a nought: the probe is fitted
again without those that it takes for familiar."""

DISTANCE_WEIGHT = 0.05
"""How fast familiarity falls with the distance."""

PROBE_BATCH_SIZE = 256
"""Training pictures in one step, and as many outliers."""

MIN_VARIANCE = 1e-4
"""Of a component, relative to the largest: features that never vary (dead units) would divide by zero."""


@dataclass(frozen=True)
class FamiliarityOptions:
    """How much familiarity is fitted on; the defaults are those of the published models.

    Attributes:
        outliers: Outliers to fit on, at most.
        examples: Training pictures to fit on, at most, each once as it is and once augmented.
        pages: Digits on pages beside them, at most, for models that were trained on pages.
        test_outliers: Outliers to measure on (the metric strangers_refused).
        steps: Training steps of the probe.
    """

    outliers: int = 12_000
    examples: int = 12_000
    pages: int = 16_000
    test_outliers: int = 1_000
    steps: int = 3_000


PUBLISHED_OPTIONS = FamiliarityOptions()


class Familiarity(nn.Module):
    """1 for features like those of the training pictures, towards 0 for others.

    The product of two factors. A small network, the probe, was trained to tell outliers from training
    pictures (outlier exposure, Hendrycks et al., ICLR 2019). For pictures that are like neither: the
    Mahalanobis distance to the training features in their leading principal components, and the part of the
    features that those components do not explain.

    Attributes:
        mean: float32 (F,), of the features.
        axes: float32 (components, F), the directions of the leading principal components.
        std: float32 (components,), the standard deviations along them.
        rest_std: float32 (), that of the length of what they do not explain; 0 where they explain all.
    """

    mean: Tensor
    axes: Tensor
    std: Tensor
    rest_std: Tensor

    def __init__(
        self, features: Tensor, outliers: Tensor, components: int = 128, steps: int = PUBLISHED_OPTIONS.steps
    ) -> None:
        """Fit to features of training pictures, float32 (N, F), and of outliers, float32 (M, F)."""
        super().__init__()
        mean = features.mean(0)
        centred = features - mean
        values, axes = _principal_axes(centred)
        values = values.clamp_min(MIN_VARIANCE * max(float(values[0]), MIN_VARIANCE))
        leading = min(components, len(axes))
        self.register_buffer("mean", mean)
        self.register_buffer("axes", axes[:leading].contiguous())
        self.register_buffer("std", values[:leading].sqrt())
        self.register_buffer("rest_std", values[leading:].sum().sqrt())
        known, others = (self._whitened(part) for part in (features, outliers))
        probe = _fit_probe(known, others, steps)
        with torch.no_grad():
            strangest = probe(others)[:, 0].argsort()[: len(others) - int(LOOKALIKES * len(others))]
        self.probe = _fit_probe(known, others[strangest], steps)

    def forward(self, features: Tensor) -> Tensor:
        """float32 (N, F) -> (N,) in [0, 1]."""
        whitened = self._whitened(features)
        distance = whitened[:, : len(self.axes)].square().mean(1)
        if whitened.shape[1] > len(self.axes):
            distance = distance + whitened[:, len(self.axes)].square()
        probability: Tensor = self.probe(whitened)[:, 0].sigmoid()
        return probability * torch.exp(-DISTANCE_WEIGHT * distance)

    def _whitened(self, features: Tensor) -> Tensor:
        """Whitened components, and where there are more of them the length of the rest.

        Returns:
            float32 (N, components) or (N, components + 1).
        """
        centred = features - self.mean
        along = centred @ self.axes.T
        whitened = along / self.std
        if len(self.axes) < len(self.mean):
            # Not by Pythagoras: the difference of two large squares would be mostly rounding.
            rest = (centred - along @ self.axes).square().sum(1, keepdim=True).sqrt()
            whitened = torch.cat([whitened, rest / self.rest_std], dim=1)
        return whitened.clamp(-CLIP_SIGMAS, CLIP_SIGMAS)


def _principal_axes(centred: Tensor) -> tuple[Tensor, Tensor]:
    """Variances (R,), the largest first, and the directions (R, F) that have them; centred: (N, F).

    With fewer pictures than features there are no more directions than pictures.
    """
    if len(centred) < centred.shape[1]:
        _, lengths, axes = torch.linalg.svd(centred, full_matrices=False)
        return lengths.square() / len(centred), axes
    values, axes = torch.linalg.eigh(centred.T @ centred / len(centred))
    return values.flip(0), axes.flip(1).T


def _fit_probe(examples: Tensor, outliers: Tensor, steps: int, hidden: int = 64) -> nn.Module:
    """A network with a positive score for examples, negative for outliers, both weighing the same."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    probe = nn.Sequential(nn.Linear(examples.shape[1], hidden), nn.ReLU(), nn.Linear(hidden, 1))
    optimizer = torch.optim.AdamW(probe.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
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
            schedule.step()
    return probe.eval().requires_grad_(False)


def familiarity_threshold(familiarity: npt.NDArray[np.float32]) -> float:
    """The familiarity that FAMILIAR_FRACTION of the calibration pictures reach; familiarity: (N,)."""
    return float(np.quantile(familiarity, 1 - FAMILIAR_FRACTION))
