"""All recipes by name: a new model is a new Recipe in one of these modules."""

from training.recipe import Recipe
from training.recipes import cars, digits, fashion

_PUBLISHED = (*digits.RECIPES, *fashion.RECIPES, *cars.RECIPES)

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (*_PUBLISHED, cars.DRAWN)}

PUBLISHED = tuple(recipe.name for recipe in _PUBLISHED)
"""The models that belong into models/zoo."""
