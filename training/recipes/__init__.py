"""All recipes, by name. A new model is a new Recipe in one of these modules."""

from training.recipe import Recipe
from training.recipes import cars, digits

RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in (*digits.RECIPES, *cars.RECIPES, cars.DRAWN)}

PUBLISHED = tuple(recipe.name for recipe in (*digits.RECIPES, *cars.RECIPES))
"""The models that belong into models/zoo."""
