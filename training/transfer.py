"""Transfer learning: a pretrained network describes every picture once, only what follows is trained.

On a CPU this turns hours into minutes: a description costs as much as one pass over the picture, and
the layers behind it train on descriptions in seconds.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn

from training import augment
from training.datasets import Examples, Splits
from training.fit import Fitted, device, fit, to_float
from training.networks import Network
from training.recipe import Recipe

VIEWS = 2
"""How often each training picture is described: as it is, and augmented."""


class _Tail(Network):
    """What is trained: float32 (N, F) descriptions in, scores out."""

    def __init__(self, tail: nn.Module, head: nn.Linear) -> None:
        super().__init__(tail, head, (0.0,), (1.0,))

    def features(self, pictures: Tensor) -> Tensor:
        features: Tensor = self.body(pictures)
        return features


def fit_transfer(recipe: Recipe, splits: Splits, checkpoint: Path | None = None) -> Fitted:
    """Train recipe.network but for the first module of its body. Arguments as those of `fit`."""
    torch.manual_seed(recipe.seed)
    network = recipe.network().eval()
    assert isinstance(network.body, nn.Sequential)
    backbone, tail = network.body
    described = replace(
        splits,
        train=_described(recipe, network, backbone, splits.train, VIEWS),
        **{
            part: _described(recipe, network, backbone, getattr(splits, part), 1)
            for part in ("validation", "calibration", "test")
        },
    )
    # The tail is trained in place: the whole network has it when `fit` returns.
    learner = replace(recipe, network=lambda: _Tail(tail, network.head), augment=augment.none)
    fitted = fit(learner, described, checkpoint)
    return Fitted(network.eval(), fitted.target, fitted.history)


@torch.no_grad()
def _described(recipe: Recipe, network: Network, backbone: nn.Module, part: Examples, views: int) -> Examples:
    """The pictures' descriptions, float32 (views * N, F); the first N of them unchanged pictures."""
    where = device()
    backbone.to(where).eval()
    mean, std = network.mean.to(where), network.std.to(where)
    rows = []
    for view in range(views):
        change = augment.none if view == 0 else recipe.augment
        batches = torch.from_numpy(part.pixels).split(32)
        for batch in track(batches, f"describing, view {view + 1} of {views}"):
            pictures = change(to_float(batch.to(where)))
            rows.append(backbone((pictures - mean) / std).cpu().numpy())
    groups = None if part.groups is None else np.tile(part.groups, views)
    return Examples(np.concatenate(rows), np.tile(part.targets, views), groups)  # type: ignore[arg-type]
