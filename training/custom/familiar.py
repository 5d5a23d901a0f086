"""Familiarity of own pictures: fitted to all of them, and for each by one that left it out."""

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track
from torch import Tensor

from training.custom.descriptions import Features
from training.export.familiarity import Familiarity

STEPS = 600
"""Of the probe: hundreds of pictures are learned in a fifth of the steps of the published models."""


def fit_familiarity(
    features: Features, folds: npt.NDArray[np.intp], outliers: Tensor
) -> tuple[Familiarity, npt.NDArray[np.float32]]:
    """Fit to all pictures that are trained on.

    Args:
        features: float16 (N, V, F), of V views of each picture.
        folds: (N,), -1 for pictures that are only ever held out.
        outliers: float32 (M, F), features of anything else.

    Returns:
        The familiarity, and that of each picture, (N,), by one fitted to the other folds.
    """
    plain = torch.from_numpy(features[:, 0]).float()
    whole = Familiarity(_views(features[folds >= 0]), outliers, steps=STEPS)
    with torch.no_grad():
        unseen = whole(plain).numpy()
        for fold in track(sorted(set(folds[folds >= 0].tolist())), "learning what is familiar"):
            others = Familiarity(_views(features[(folds >= 0) & (folds != fold)]), outliers, steps=STEPS)
            unseen[folds == fold] = others(plain[torch.from_numpy(folds == fold)]).numpy()
    return whole, unseen


def _views(features: Features) -> Tensor:
    """All views as pictures of their own: float32 (n * V, F)."""
    return torch.from_numpy(features).float().flatten(0, 1)
