"""The commands that make models: `fetch`, `train`, `export`."""

from typing import Annotated

import typer

from models.model import ZOO
from training.cli.console import console
from training.cli.options import (
    RUNS,
    DataFolder,
    Epochs,
    Limit,
    RecipeNames,
    RunsFolder,
    Seed,
    Track,
    ZooFolder,
)
from training.data import sources
from training.fitting.tracking import Tool, require, tracked


def fetch_data(
    names: Annotated[list[str] | None, typer.Argument()] = None, data: DataFolder = sources.DATA
) -> None:
    """Download data sets: mnist, fashion-mnist."""
    from training.recipes import RECIPES

    for name in names or ["mnist", "fashion-mnist"]:
        recipe = next((recipe for recipe in RECIPES.values() if recipe.data == name), None)
        view = recipe.view if recipe else RECIPES["digits-cnn"].view
        splits = sources.load(name, view, data)
        console.print(f"{name}: {len(splits.train)} to train on, {len(splits.test)} to test on")


def train_models(
    names: RecipeNames = None,
    data: DataFolder = sources.DATA,
    zoo: ZooFolder = ZOO,
    runs: RunsFolder = RUNS,
    limit: Limit = None,
    epochs: Epochs = None,
    seed: Seed = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint.")] = False,
    track: Track = Tool.MLFLOW,
) -> None:
    """Train models and export each to its .onnx file and model card."""
    require(track)
    from training.cli.select import load_splits, select_recipes
    from training.cli.steps import answer_test, export_with_page
    from training.fitting.train import train_recipe

    for recipe in select_recipes(names, data):
        recipe = recipe.with_changes(epochs=epochs, seed=seed)
        splits = load_splits(recipe, data, limit)
        checkpoint = runs / recipe.name / "checkpoint.pt"
        if not resume:
            for stale in checkpoint.parent.glob("checkpoint*.pt"):
                stale.unlink()
        with tracked(track, recipe, runs) as tracker:
            on_epoch = tracker.log_epoch if tracker else lambda epoch: None
            result = train_recipe(recipe, splits, checkpoint, on_epoch, data)
            result.save(runs / recipe.name)
            model = export_with_page(recipe, result, splits, zoo, data)
            if tracker:
                tracker.log_card(model.card)
                tracker.log_answers(answer_test(model, splits))


def export_models(
    names: RecipeNames = None,
    data: DataFolder = sources.DATA,
    zoo: ZooFolder = ZOO,
    runs: RunsFolder = RUNS,
    limit: Limit = None,
) -> None:
    """Calibrate, verify and write the .onnx files of models that were trained before."""
    from training.cli.select import load_splits, select_recipes
    from training.cli.steps import export_with_page
    from training.fitting.result import TrainingResult

    for recipe in select_recipes(names, data):
        splits = load_splits(recipe, data, limit)
        result = TrainingResult.load(runs / recipe.name, recipe)
        export_with_page(recipe, result, splits, zoo, data)
