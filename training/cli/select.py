"""What a command works on: recipes or models by name, or all of them, with their data."""

import logging
from collections.abc import Iterator
from pathlib import Path

from models.model import Model, find_model_files, open_model
from training.data import sources
from training.data.splits import DataError, Splits
from training.recipe import Recipe
from training.recipes import PUBLISHED, RECIPES

log = logging.getLogger(__name__)


def select_recipes(names: list[str] | None, data: Path) -> list[Recipe]:
    """The recipes of these names; without names, the published ones whose data is available.

    Raises:
        DataError: A name is not that of a recipe.
    """
    unknown = set(names or ()) - set(RECIPES)
    if unknown:
        raise DataError(f"No recipe for {', '.join(sorted(unknown))}; there are {', '.join(RECIPES)}.")
    if names:
        return [RECIPES[name] for name in names]
    recipes = [RECIPES[name] for name in PUBLISHED]
    for recipe in recipes:
        if not sources.is_available(recipe.data, data):
            log.warning("%s: skipped, its data is not at hand in %s", recipe.name, data)
    return [recipe for recipe in recipes if sources.is_available(recipe.data, data)]


def load_splits(recipe: Recipe, data: Path, limit: int | None) -> Splits:
    """The data of a recipe, with at most `limit` training pictures.

    Raises:
        DataError: It cannot be loaded.
    """
    splits = sources.load(recipe.data, recipe.view, data)
    return splits.limited(limit) if limit else splits


def select_models(names: list[str] | None, data: Path, zoo: Path) -> Iterator[tuple[Model, Splits]]:
    """Each model with the data it was trained on; without names, those whose data is available.

    Raises:
        DataError: The data cannot be loaded, or the model was made by `new`.
        ZooError: A file is missing or does not open.
    """
    for name in names or [path.stem for path in find_model_files(zoo)]:
        model = open_model(zoo / f"{name}.onnx")
        if not names and not sources.is_available(model.card.training.name, data):
            log.warning("%s: skipped, its data is not at hand in %s", name, data)
            continue
        if model.card.training.name not in sources.SOURCES:
            raise DataError(
                f"{name} was made of pictures of one's own; its card has its metrics, measured on"
                f" {model.card.measured.data}."
            )
        splits = sources.load(model.card.training.name, model.card.view, data)
        if splits.fingerprint != model.card.training.fingerprint:
            log.warning("%s: this is not the data it was trained on; compare with care", name)
        yield model, splits
