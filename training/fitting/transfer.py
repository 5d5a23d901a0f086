"""Transfer learning: a pretrained trunk runs once over every picture, what follows it is trained.

On a CPU this turns hours into minutes: the trunk is most of the work and runs once for each augmented view of
a picture, never backwards (docs/decisions/0010).
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn

from training.data import augment
from training.data.splits import Examples, Splits, group_weights
from training.fitting.fit import fit
from training.fitting.result import EpochMetrics, LogPriceScaler, TrainingResult
from training.networks.architectures import Ensemble, Network, to_float
from training.networks.device import best_device, half_precision
from training.recipe import Recipe

VIEWS_PER_PHOTO = 4
"""Feature maps per training picture: one as it is, the others augmented."""


def cache_features(recipe: Recipe, splits: Splits) -> Splits:
    """The splits with the trunk's feature maps, float16 (N, C, H, W), instead of pixels.

    The training split holds VIEWS_PER_PHOTO views of all its pictures one after the other, the first of
    them not augmented. Splits that hold feature maps already come back as they are.
    """
    if splits.train.pixels.dtype != np.uint8:
        return splits
    views = {"train": VIEWS_PER_PHOTO, "validation": 1, "calibration": 1, "test": 1}
    network = recipe.network()
    maps = {part: _feature_maps(recipe, network, getattr(splits, part), n) for part, n in views.items()}
    return replace(splits, **maps)


def fit_ensemble(
    recipe: Recipe,
    features: Splits,
    checkpoint: Path | None = None,
    on_epoch: Callable[[EpochMetrics], None] = lambda epoch: None,
) -> TrainingResult:
    """Train the members of recipe.network's ensemble one by one, then its kernel.

    Args:
        recipe: Its network's body is a trunk and an Ensemble.
        features: What `cache_features` returns.
        checkpoint: As for `fit`; the number of the member is added to its name.
        on_epoch: As for `fit`, of the first member only, whose history the result has.
    """
    torch.manual_seed(recipe.seed)
    network = recipe.network()
    assert isinstance(network.body, nn.Sequential)
    ensemble = network.body[1]
    assert isinstance(ensemble, Ensemble)
    results = []
    for number, tail in enumerate(ensemble.members):
        member = replace(
            recipe, seed=recipe.seed + number, network=_member(tail, network), augment=augment.feature_cutout
        )
        path = checkpoint and checkpoint.with_stem(f"{checkpoint.stem}-{number}")
        results.append(fit(member, features, path, on_epoch if number == 0 else lambda epoch: None))
        tail.load_state_dict(results[-1].network.body.state_dict())
    heads = [result.network.head for result in results]
    with torch.no_grad():
        network.head.weight.copy_(torch.cat([head.weight for head in heads], 1) / len(heads))
        network.head.bias.copy_(torch.stack([head.bias for head in heads]).mean(0))
    _fit_kernel(network.eval(), features.train[: len(features.train) // VIEWS_PER_PHOTO])
    return TrainingResult(network.eval(), results[0].scaler, results[0].history)


@torch.no_grad()
def _fit_kernel(network: Network, train: Examples) -> None:
    """Fit the kernel ridge regression on the feature maps of the training pictures, not augmented."""
    assert network.kernel is not None
    batches = torch.from_numpy(train.pixels).split(64)
    features = torch.cat([
        network.body[1](batch.float()) for batch in track(batches, "features for the kernel")
    ])  # fmt: skip
    targets = LogPriceScaler.of(train.targets).standardise(train.targets)
    network.kernel.fit(features, targets, torch.from_numpy(group_weights(train)))


class _Member(Network):
    """One member of the ensemble with its own head: float32 (N, C, H, W) feature maps in, scores out."""

    def features(self, pictures: Tensor) -> Tensor:
        """The maps are normalised already."""
        features: Tensor = self.body(pictures)
        return features


def _member(tail: nn.Module, network: Network) -> Callable[[], Network]:
    width = network.head.in_features // len(network.body[1].members)
    return lambda: _Member(tail, nn.Linear(width, network.head.out_features), (0.0,), (1.0,))


@torch.no_grad()
def _feature_maps(recipe: Recipe, network: Network, examples: Examples, views: int) -> Examples:
    """Feature maps of `views` views of each picture; those of the first view are not augmented."""
    device = best_device()
    trunk = network.body[0].to(device, memory_format=torch.channels_last).eval()
    mean, std = network.mean.to(device), network.std.to(device)
    rows = []
    torch.manual_seed(recipe.seed)
    for view in range(views):
        change = augment.none if view == 0 else recipe.augment
        batches = torch.from_numpy(examples.pixels).split(32)
        for batch in track(batches, f"feature maps, view {view + 1} of {views}"):
            pictures = change(to_float(batch.to(device)))
            with half_precision(device):
                rows.append(trunk((pictures - mean) / std).half().cpu().numpy())
    repeated = examples[np.tile(np.arange(len(examples)), views)] if views > 1 else examples
    return replace(repeated, pixels=np.concatenate(rows))
