"""How a recipe is trained: the one place that decides: pages, a teacher, a frozen trunk, NumPy."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from training.data import augment
from training.data.splits import Examples, Splits
from training.data.synthetic.pages import pages
from training.fitting.distillation import KIND, OUTLIER_LOSS_WEIGHT, taught, with_outliers
from training.fitting.fit import fit
from training.fitting.from_scratch.fit import fit_by_hand
from training.fitting.result import EpochMetrics, TrainingResult
from training.fitting.transfer import cache_features, fit_ensemble
from training.networks.architectures import Network
from training.recipe import Recipe


def train_recipe(
    recipe: Recipe,
    splits: Splits,
    checkpoint: Path | None = None,
    on_epoch: Callable[[EpochMetrics], None] = lambda epoch: None,
    root: Path | None = None,
) -> TrainingResult:
    """Train a network as its recipe asks, its teacher before it, and once more where it has a `finish`.

    Args:
        recipe: What is trained, and how.
        splits: Pictures, or what `cache_features` made of them.
        checkpoint: As for `fit`; a teacher, a second training, each member of an ensemble adds to its name.
        on_epoch: As for `fit`; the epochs of a second training are counted on from the first.
        root: Folder of data sets, where written pages are cached; None writes them anew.
    """
    teacher = None
    if recipe.teacher is not None:
        path = checkpoint and checkpoint.with_stem(f"{checkpoint.stem}-teacher")
        teacher = train_recipe(recipe.teacher, splits, path, root=root).network
    first = _train_once(recipe, splits, teacher, checkpoint, on_epoch, root)
    if not recipe.finish:
        return first
    second = replace(recipe, network=lambda: first.network, **recipe.finish)
    count = len(first.history)

    def on_later_epoch(epoch: EpochMetrics) -> None:
        on_epoch(replace(epoch, epoch=epoch.epoch + count))

    path = checkpoint and checkpoint.with_stem(f"{checkpoint.stem}-finish")
    return _train_once(second, splits, teacher, path, on_later_epoch, root).after(first)


def _train_once(
    recipe: Recipe,
    splits: Splits,
    teacher: Network | None,
    checkpoint: Path | None,
    on_epoch: Callable[[EpochMetrics], None],
    root: Path | None,
) -> TrainingResult:
    splits = _with_pages(recipe, splits, root)
    if recipe.outliers:
        splits = replace(splits, train=with_outliers(recipe, splits.train, root))
        recipe = replace(recipe, hints={**recipe.hints, KIND: OUTLIER_LOSS_WEIGHT})
    if teacher is not None:
        splits = replace(splits, train=taught(recipe, teacher, splits.train))
        recipe = replace(recipe, augment=augment.none)
    if recipe.by_hand:
        return fit_by_hand(recipe, splits, checkpoint, on_epoch)
    if not recipe.frozen_body:
        return fit(recipe, splits, checkpoint, on_epoch)
    return fit_ensemble(recipe, cache_features(recipe, splits), checkpoint, on_epoch)


def _with_pages(recipe: Recipe, splits: Splits, root: Path | None) -> Splits:
    """The splits with recipe.pages more training pictures: digits on photographed pages."""
    if recipe.pages == 0:
        return splits
    written = pages(splits.train, recipe.pages, recipe.view, recipe.seed, root=root)
    return replace(splits, train=Examples.joined(splits.train, written))
