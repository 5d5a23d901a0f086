"""Cross-validation over groups: what one test split, hard or easy by chance, cannot tell.

Every picture is priced once by a network that has seen no picture of its group (its car model), and
the errors are stated over all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from training.data.price_table import ESTIMATES, in_hash_order
from training.data.splits import Examples, Splits
from training.evaluation.evaluate import errors
from training.fitting.fit import fit, to_float
from training.fitting.result import TrainingResult
from training.fitting.transfer import VIEWS_PER_PHOTO, cache_features, fit_members
from training.recipe import Recipe

STOPPING = 0.05
"""Share of a fold's training groups that early stopping watches."""


@dataclass(frozen=True)
class HeldOut:
    """value, truth: float64 prices (N,) of the pictures of the folds that were run, estimates left out.
    kind: str (N,), the table each came from and its price_source. constant: what the median of the
    training prices would have said."""

    value: npt.NDArray[np.float64]
    truth: npt.NDArray[np.float64]
    kind: npt.NDArray[np.str_]
    constant: npt.NDArray[np.float64]

    def figures(self) -> dict[str, tuple[int, dict[str, float], dict[str, float]]]:
        """For each kind, and all of them together: pictures, errors, errors of the constant."""
        parts = {name: self.kind == name for name in sorted(set(self.kind))}
        if len(parts) > 1:
            parts["all"] = np.ones(len(self.kind), bool)
        return {
            name: (
                int(chosen.sum()),
                errors(self.value[chosen], self.truth[chosen]),
                errors(self.constant[chosen], self.truth[chosen]),
            )
            for name, chosen in parts.items()
        }


def crossvalidate(
    recipe: Recipe, splits: Splits, folds: int, only: Sequence[int] = (), at_random: bool = False
) -> HeldOut:
    """Train on all folds but one and price that one, for all folds or those in `only`.

    at_random: fold by picture, not by group: the same car models on both sides, as much published
    work does; its figures flatter.
    """
    everything = Examples.joined(splits.train, splits.validation, splits.calibration, splits.test)
    names = everything.groups
    assert names is not None
    if at_random:
        fold = np.random.default_rng(recipe.seed).permutation(len(everything)) % folds
    else:
        rank = {group: place for place, group in enumerate(in_hash_order(names))}
        fold = np.array([rank[group] % folds for group in names])
    # Described once: the trunk is the same for all folds.
    views = VIEWS_PER_PHOTO if recipe.frozen_body else 1
    pool = replace(
        splits, train=everything, validation=everything[:1], calibration=everything[:1], test=everything[:1]
    )
    if recipe.frozen_body:
        pool = cache_features(recipe, pool)
    value, constant, ran = np.zeros(len(fold)), np.zeros(len(fold)), np.zeros(len(fold), bool)
    for number in only or range(folds):
        held = fold == number
        stop = _some_groups(names, ~held)
        train = pool.train[np.flatnonzero(np.tile(~held & ~stop, views))]
        part = replace(pool, train=train, validation=pool.train[np.flatnonzero(stop)])
        learn = fit_members if recipe.frozen_body else fit
        fitted = learn(recipe, part)
        value[held] = prices(fitted, pool.train[np.flatnonzero(held)])
        constant[held] = np.median(everything.targets[~held])
        ran |= held
    source = everything.facts["price_source"]
    ran &= ~np.isin(source, list(ESTIMATES))
    kind = np.char.strip(np.char.add(np.char.add(everything.facts["table"], " "), source))
    return HeldOut(value[ran], everything.targets.astype(np.float64)[ran], kind[ran], constant[ran])


@torch.no_grad()
def prices(fitted: TrainingResult, part: Examples) -> npt.NDArray[np.float64]:
    """The network's price of each picture, or of each map behind a trunk: float64 (N,)."""
    network, target = fitted.network, fitted.target
    assert target is not None
    cache_features = part.pixels.dtype != np.uint8
    rows = []
    for batch in torch.from_numpy(part.pixels).split(64):
        features = network.body[1](batch.float()) if cache_features else network.features(to_float(batch))
        rows.append(network.scores(features)[:, 0].double().numpy())
    return np.exp(np.concatenate(rows) * target.std + target.mean)


def _some_groups(names: npt.NDArray[np.str_], among: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """True for the pictures of a few of the groups that `among` leaves."""
    left = sorted(set(names[among]))
    few = np.random.default_rng(0).choice(left, max(round(STOPPING * len(left)), 1), replace=False)
    return among & np.isin(names, few)
