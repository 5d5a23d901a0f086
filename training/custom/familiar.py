"""Familiarity of own pictures: how much the trunk's features are like those of some of them."""

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.custom.descriptions import Features

AXES = 64
"""Of the subspace in which pictures are compared: enough to tell them apart, and far fewer than features."""

MAX_LANDMARKS = 1000
NEIGHBOURS = 5

FAMILIAR_FRACTION = 0.97
"""Fraction of unseen own pictures that count as familiar."""

THRESHOLD = 0.5
"""The familiarity of a picture that just counts as familiar."""


class Likeness(nn.Module):
    """The likeness of a picture to those it is most like, as a familiarity.

    The cosine between features, averaged over the nearest landmarks (deep nearest neighbours, Sun et al.,
    ICML 2022), within the subspace that own pictures span: what of a picture lies outside of it makes it
    less like any of them. No outliers are learned from.

    Attributes:
        axes: float32 (A, F), directions of own features.
        landmarks: float32 (L, A), features of own pictures along them, of length 1 before.
        centre: float32 (), the likeness that FAMILIAR_FRACTION of unseen own pictures reach.
        spread: float32 (), the standard deviation of theirs.
    """

    axes: Tensor
    landmarks: Tensor
    centre: Tensor
    spread: Tensor

    def __init__(self, features: Tensor) -> None:
        """Fit to the features of own pictures, float32 (N, F)."""
        super().__init__()
        unit = F.normalize(features)
        _, axes = torch.linalg.eigh((unit.T @ unit).double())
        self.register_buffer("axes", axes.flip(1).T[: min(AXES, len(unit))].float().contiguous())
        chosen = torch.randperm(len(unit), generator=torch.Generator().manual_seed(0))[:MAX_LANDMARKS]
        self.register_buffer("landmarks", unit[chosen.sort().values] @ self.axes.T)
        self.register_buffer("centre", torch.zeros(()))
        self.register_buffer("spread", torch.ones(()))

    def calibrate(self, unseen: Tensor) -> None:
        """Take THRESHOLD to where FAMILIAR_FRACTION of own pictures are above it.

        Args:
            unseen: float32 (N,), the likeness of own pictures to others of them.
        """
        self.centre.copy_(unseen.quantile(1 - FAMILIAR_FRACTION))
        self.spread.copy_(unseen.std().clamp_min(1e-3))

    def likeness(self, features: Tensor) -> Tensor:
        """float32 (N, F) -> (N,) in [-1, 1]."""
        along = F.normalize(features) @ self.axes.T
        nearest = (along @ self.landmarks.T).topk(min(NEIGHBOURS, len(self.landmarks)), dim=1).values
        return nearest.mean(1)

    def forward(self, features: Tensor) -> Tensor:
        """float32 (N, F or more), of which the first F count -> (N,) in [0, 1]."""
        likeness = self.likeness(features[:, : self.axes.shape[1]])
        return ((likeness - self.centre) / self.spread).sigmoid()


def fit_likeness(
    features: Features, folds: npt.NDArray[np.intp], width: int
) -> tuple[Likeness, npt.NDArray[np.float32]]:
    """Fit to all pictures that are trained on.

    Args:
        features: float16 (N, V, F), of V views of each picture; the first is the picture itself.
        folds: (N,), -1 for pictures that are only ever held out.
        width: Features that count, from the first on.

    Returns:
        The likeness, and the familiarity of each picture, (N,), by the pictures of other folds.
    """
    plain = torch.from_numpy(features[:, 0, :width]).float()
    fold = torch.from_numpy(folds)
    whole = Likeness(plain[fold >= 0])
    unseen = whole.likeness(plain)
    for held_out in sorted(set(folds[folds >= 0].tolist())):
        others = Likeness(plain[(fold >= 0) & (fold != held_out)])
        unseen[fold == held_out] = others.likeness(plain[fold == held_out])
    whole.calibrate(unseen[fold >= 0])
    return whole, ((unseen - whole.centre) / whole.spread).sigmoid().numpy()
