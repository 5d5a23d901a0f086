"""Distillation: a small network learns what a large one, its teacher, says about many views of each picture.

Hinton et al. (2015). The scores of the teacher tell more of a picture than its class: which other classes it
resembles. Outliers among the pictures have no class; that they are outliers is an auxiliary task, so that the
features of the small network tell them apart (docs/decisions/0008).
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from rich.progress import track
from torch import Tensor

from training.data.splits import Examples
from training.data.synthetic.outliers import draw_outliers
from training.networks.architectures import Network, to_float
from training.networks.device import best_device, half_precision
from training.recipe import Recipe

OUTLIER = -1
"""The target of a picture that belongs to no class."""

KIND, OUTLIER_LOSS_WEIGHT = "kind", 1.0
"""The fact, and auxiliary task, whether a picture is an outlier; the weight of its loss."""

TEMPERATURE = 4.0
"""Divides the scores of both networks; the higher, the more the unlikely classes count."""

TRUE_CLASS_WEIGHT = 0.3
"""Of the cross entropy with the true class; the rest is of that with the teacher's probabilities."""


def distillation_losses(losses: Tensor, scores: Tensor, targets: Tensor, taught: Tensor) -> Tensor:
    """One loss per picture, float32 (N,): where the teacher is wrong, the cross entropy with the true class.

    Args:
        losses: The cross entropies with the true class, float32 (N,); 0 for an outlier.
        targets: The true classes, int64 (N,), or OUTLIER.
        scores: Of the network that learns, float32 (N, K).
        taught: The teacher's scores, float32 (N, K).
    """
    soft = F.cross_entropy(scores / TEMPERATURE, (taught / TEMPERATURE).softmax(1), reduction="none")
    # The square keeps the size of the gradient whatever the temperature.
    told = torch.where(taught.argmax(1) == targets, TEMPERATURE**2 * soft, losses)
    return TRUE_CLASS_WEIGHT * losses + (1 - TRUE_CLASS_WEIGHT) * told


def with_outliers(recipe: Recipe, train: Examples, root: Path | None) -> Examples:
    """The training pictures and recipe.outliers that belong to no class; the fact KIND tells them apart."""
    kinds = draw_outliers(recipe.data, recipe.view, recipe.outliers, seed=1, root=root)
    pixels = np.concatenate(list(kinds.values()))
    outliers = Examples(pixels, np.full(len(pixels), OUTLIER))
    parts = {"known": train, "outlier": outliers}
    return Examples.joined(*(
        replace(part, facts={KIND: np.full(len(part), kind)}) for kind, part in parts.items()
    ))  # fmt: skip


@torch.no_grad()
def taught(recipe: Recipe, teacher: Network, train: Examples) -> Examples:
    """recipe.views augmented views of all pictures, one after the other, with the teacher's scores.

    Scored once here, a view may be learned from many times.
    """
    device = best_device()
    teacher = teacher.to(device, memory_format=torch.channels_last).eval()
    pixels, scores = [], []
    torch.manual_seed(recipe.seed)
    for view in range(recipe.views):
        batches = torch.from_numpy(train.pixels).split(recipe.batch_size)
        for batch in track(batches, f"the teacher's scores, view {view + 1} of {recipe.views}"):
            pictures = recipe.augment(to_float(batch.to(device)))
            changed = (255 * pictures).round().byte().permute(0, 2, 3, 1)
            with half_precision(device):
                scores.append(teacher(to_float(changed)).float().cpu().numpy())
            pixels.append(changed.cpu().numpy())
    repeated = train[np.tile(np.arange(len(train)), recipe.views)]
    return replace(repeated, pixels=np.concatenate(pixels), scores=np.concatenate(scores))
