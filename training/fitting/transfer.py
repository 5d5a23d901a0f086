"""Transfer learning: a pretrained trunk describes every picture once, what follows it is trained.

On a CPU this turns hours into minutes: the trunk is most of the work and is done once for each view of
a picture, and never backwards.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn

from training.data import augment
from training.data.splits import Examples, Splits
from training.fitting.fit import device, fit, group_weights, half_precision, to_float
from training.fitting.result import EpochMetrics, LogPriceScaler, TrainingResult
from training.networks.architectures import Ensemble, Network
from training.recipe import Recipe

VIEWS_PER_PHOTO = 4
"""How often each training picture is described: as it is, and augmented."""


def fit_transfer(
    recipe: Recipe,
    splits: Splits,
    checkpoint: Path | None = None,
    watch: Callable[[EpochMetrics], None] = lambda epoch: None,
) -> TrainingResult:
    """Train the members of recipe.network's ensemble one by one. Arguments as those of `fit`; the
    history is that of the first member."""
    return fit_members(recipe, cache_features(recipe, splits), checkpoint, watch)


def cache_features(recipe: Recipe, splits: Splits) -> Splits:
    """The pictures' maps behind the trunk instead of their pixels: float16 (N, C, H, W)."""
    parts = {"train": VIEWS_PER_PHOTO, "validation": 1, "calibration": 1, "test": 1}
    network = recipe.network()
    maps = {part: _maps(recipe, network, getattr(splits, part), views) for part, views in parts.items()}
    return replace(splits, **maps)


def fit_members(
    recipe: Recipe,
    maps: Splits,
    checkpoint: Path | None = None,
    watch: Callable[[EpochMetrics], None] = lambda epoch: None,
) -> TrainingResult:
    """As fit_transfer, on pictures that are described already."""
    torch.manual_seed(recipe.seed)
    network = recipe.network()
    assert isinstance(network.body, nn.Sequential)
    tails = network.body[1]
    assert isinstance(tails, Ensemble)
    fitted = []
    for number, tail in enumerate(tails.members):
        learner = replace(
            recipe, seed=recipe.seed + number, network=_member(tail, network), augment=augment.feature_cutout
        )
        place = checkpoint and checkpoint.with_stem(f"{checkpoint.stem}-{number}")
        fitted.append(fit(learner, maps, place, watch if number == 0 else lambda epoch: None))
        tail.load_state_dict(fitted[-1].network.body.state_dict())
    with torch.no_grad():
        network.head.weight.copy_(torch.cat([f.network.head.weight for f in fitted], 1) / len(fitted))
        network.head.bias.copy_(torch.stack([f.network.head.bias for f in fitted]).mean(0))
    _fit_kernel(network.eval(), maps.train[: len(maps.train) // VIEWS_PER_PHOTO])
    return TrainingResult(network.eval(), fitted[0].target, fitted[0].history)


@torch.no_grad()
def _fit_kernel(network: Network, unchanged: Examples) -> None:
    """unchanged: the maps of the training pictures as they are."""
    assert network.kernel is not None
    batches = torch.from_numpy(unchanged.pixels).split(64)
    features = torch.cat([
        network.body[1](batch.float()) for batch in track(batches, "likeness to known pictures")
    ])  # fmt: skip
    answers = LogPriceScaler.of(unchanged.targets).standardise(unchanged.targets)
    network.kernel.fit(features, answers, torch.from_numpy(group_weights(unchanged)))


class _Member(Network):
    """What is trained: float32 (N, C, H, W) maps in, scores out."""

    def features(self, pictures: Tensor) -> Tensor:
        features: Tensor = self.body(pictures)
        return features


def _member(tail: nn.Module, network: Network) -> Callable[[], Network]:
    width = network.head.in_features // len(network.body[1].members)
    return lambda: _Member(tail, nn.Linear(width, network.head.out_features), (0.0,), (1.0,))


@torch.no_grad()
def _maps(recipe: Recipe, network: Network, part: Examples, views: int) -> Examples:
    """Maps of `views` times the pictures; the first of them unchanged ones."""
    where = device()
    trunk = network.body[0].to(where, memory_format=torch.channels_last).eval()
    mean, std = network.mean.to(where), network.std.to(where)
    rows = []
    torch.manual_seed(recipe.seed)
    for view in range(views):
        change = augment.none if view == 0 else recipe.augment
        batches = torch.from_numpy(part.pixels).split(32)
        for batch in track(batches, f"describing, view {view + 1} of {views}"):
            pictures = change(to_float(batch.to(where)))
            with half_precision(where):
                rows.append(trunk((pictures - mean) / std).half().cpu().numpy())
    many = part[np.tile(np.arange(len(part)), views)] if views > 1 else part
    return replace(many, pixels=np.concatenate(rows))
