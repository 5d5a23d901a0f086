"""Cross-validation over groups: errors that do not depend on one test split, hard or easy by chance.

Every picture is priced once, by a network that has seen no picture of its group (its car model), and
the errors are measured over all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from training.data.price_table import ESTIMATES, in_hash_order
from training.data.splits import Examples, Splits
from training.evaluation.evaluate import errors
from training.fitting.result import TrainingResult
from training.fitting.train import train_recipe
from training.fitting.transfer import VIEWS_PER_PHOTO, cache_features
from training.networks.architectures import to_float
from training.recipe import Recipe

STOPPING_FRACTION = 0.05
"""Fraction of a fold's training groups that early stopping validates on."""


@dataclass(frozen=True)
class HeldOut:
    """Predictions for the pictures of the folds that were run, without those whose price is an estimate.

    Attributes:
        predictions: Prices, float64 (N,).
        targets: True prices, float64 (N,).
        baseline: The median of the training prices of each picture's fold, float64 (N,).
        kind: The table each picture came from and its price_source, str (N,).
    """

    predictions: npt.NDArray[np.float64]
    targets: npt.NDArray[np.float64]
    baseline: npt.NDArray[np.float64]
    kind: npt.NDArray[np.str_]

    def figures(self) -> dict[str, tuple[int, dict[str, float], dict[str, float]]]:
        """For each kind, and for all together: number of pictures, errors, errors of the baseline."""
        parts = {name: self.kind == name for name in sorted(set(self.kind))}
        if len(parts) > 1:
            parts["all"] = np.ones(len(self.kind), bool)
        return {
            name: (
                int(chosen.sum()),
                errors(self.predictions[chosen], self.targets[chosen]),
                errors(self.baseline[chosen], self.targets[chosen]),
            )
            for name, chosen in parts.items()
        }


def crossvalidate(
    recipe: Recipe, splits: Splits, folds: int, only: Sequence[int] = (), at_random: bool = False
) -> HeldOut:
    """Train on all folds but one and price that one, for each fold.

    Args:
        recipe: Of a regressor; each network is trained as `train` does it.
        splits: All its parts are pooled.
        folds: Number of parts the groups are divided into.
        only: The folds that are run; empty for all.
        at_random: Divide pictures, not groups: the same car models on both sides, as in much published work;
            its errors are too good.
    """
    everything = Examples.joined(splits.train, splits.validation, splits.calibration, splits.test)
    groups = everything.groups
    assert groups is not None
    if at_random:
        fold = np.random.default_rng(recipe.seed).permutation(len(everything)) % folds
    else:
        rank = {group: index for index, group in enumerate(in_hash_order(groups))}
        fold = np.array([rank[group] % folds for group in groups])
    first = everything[:1]
    pool = replace(splits, train=everything, validation=first, calibration=first, test=first)
    views = 1
    if recipe.frozen_body:
        # Once: the trunk is the same in all folds.
        pool, views = cache_features(recipe, pool), VIEWS_PER_PHOTO
    predictions, baseline, ran = np.zeros(len(fold)), np.zeros(len(fold)), np.zeros(len(fold), bool)
    for number in only or range(folds):
        held_out = fold == number
        stopping = _some_groups(groups, ~held_out)
        train = pool.train[np.flatnonzero(np.tile(~held_out & ~stopping, views))]
        part = replace(pool, train=train, validation=pool.train[np.flatnonzero(stopping)])
        result = train_recipe(recipe, part)
        predictions[held_out] = predict_prices(result, pool.train[np.flatnonzero(held_out)])
        baseline[held_out] = np.median(everything.targets[~held_out])
        ran |= held_out
    source = everything.facts["price_source"]
    ran &= ~np.isin(source, list(ESTIMATES))
    kind = np.char.strip(np.char.add(np.char.add(everything.facts["table"], " "), source))
    targets = everything.targets.astype(np.float64)
    return HeldOut(predictions[ran], targets[ran], baseline[ran], kind[ran])


@torch.no_grad()
def predict_prices(result: TrainingResult, examples: Examples) -> npt.NDArray[np.float64]:
    """The network's price of each picture, or of each feature map behind a trunk: float64 (N,)."""
    network, scaler = result.network, result.scaler
    assert scaler is not None
    cached = examples.pixels.dtype != np.uint8
    rows = []
    for batch in torch.from_numpy(examples.pixels).split(64):
        features = network.body[1](batch.float()) if cached else network.features(to_float(batch))
        rows.append(network.scores(features)[:, 0].double().numpy())
    return np.exp(np.concatenate(rows) * scaler.std + scaler.mean)


def _some_groups(groups: npt.NDArray[np.str_], among: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Bool (N,): the pictures of STOPPING_FRACTION of the groups in `among`, at least of one."""
    names = sorted(set(groups[among]))
    count = max(round(STOPPING_FRACTION * len(names)), 1)
    return among & np.isin(groups, np.random.default_rng(0).choice(names, count, replace=False))
