"""What a record says of the recipe that was trained."""

from training.recipe import Recipe

PROJECT = "glimpse"
"""MLflow's experiment, and W&B's project."""

LOGGED_FIELDS = (
    "data", "epochs", "batch_size", "learning_rate", "weight_decay", "label_smoothing", "patience",
    "pages", "seed",
)  # fmt: skip
"""The fields of a Recipe that are numbers or names; the others are code."""


def title(recipe: Recipe) -> str:
    """The name of a record."""
    return f"{recipe.name}, seed {recipe.seed}"


def parameters(recipe: Recipe) -> dict[str, str | float]:
    """The parameters of a record by name."""
    fields = {"model": recipe.name} | {name: getattr(recipe, name) for name in LOGGED_FIELDS}
    return fields | {f"hint_{name}": weight for name, weight in recipe.hints.items()}
