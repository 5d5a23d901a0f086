"""One whole learning, as its recipe asks for it: pages, transfer, and a second training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from training.data.splits import Examples, Splits
from training.data.synthetic.pages import pages
from training.fitting.fit import fit
from training.fitting.result import EpochMetrics, TrainingResult
from training.fitting.transfer import fit_transfer
from training.recipe import Recipe


def train_recipe(
    recipe: Recipe,
    splits: Splits,
    checkpoint: Path,
    watch: Callable[[EpochMetrics], None] = lambda epoch: None,
) -> TrainingResult:
    """Arguments as those of `fit`; the epochs of a second training are counted on from the first."""
    first = fit_transfer if recipe.frozen_body else fit
    fitted = first(recipe, _with_pages(recipe, splits), checkpoint, watch)
    if not recipe.finish:
        return fitted
    last = replace(recipe, network=lambda: fitted.network, **recipe.finish)
    done = len(fitted.history)

    def count_on(epoch: EpochMetrics) -> None:
        watch(replace(epoch, epoch=epoch.epoch + done))

    place = checkpoint.with_stem(f"{checkpoint.stem}-finish")
    return fit(last, _with_pages(last, splits), place, count_on).after(fitted)


def _with_pages(recipe: Recipe, splits: Splits) -> Splits:
    """The same set; the training pictures and as many pages written with them as the recipe asks for."""
    if recipe.pages == 0:
        return splits
    written = pages(splits.train, recipe.pages, recipe.view, recipe.seed)
    return replace(splits, train=Examples.joined(splits.train, written))
