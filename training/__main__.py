"""`python -m training`: fetch data, train, evaluate and export models, and run the labs of the course."""

import json
from pathlib import Path
from typing import Annotated

import typer

from models.atomic import write_atomically
from models.model import ZOO, open_model
from training.cli.console import ErrorsInOneLine, configure_logging, console
from training.cli.options import (
    RUNS,
    DataFolder,
    Epochs,
    Limit,
    ModelNames,
    RecipeNames,
    RunsFolder,
    Seed,
    ZooFolder,
)
from training.cli.select import load_splits, select_models, select_recipes
from training.cli.steps import evaluate_with_outliers, export_with_page
from training.cli.tables import crossvalidation_table, evaluation_tables, online_tables
from training.course.commands import run_course, run_lab
from training.data import sources
from training.data.splits import DataError
from training.evaluation.crossvalidate import crossvalidate
from training.evaluation.online import join_feedback, read_log
from training.evaluation.plots import PICTURES, report
from training.export.drift_reference import write_reference
from training.export.model_card import write_model_card
from training.fitting.result import TrainingResult
from training.fitting.tracking import log_card, log_epoch, tracked
from training.fitting.train import train_recipe
from training.recipes import RECIPES

app = typer.Typer(
    cls=ErrorsInOneLine, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)


@app.command(name="fetch")
def fetch_data(
    names: Annotated[list[str] | None, typer.Argument()] = None, data: DataFolder = sources.DATA
) -> None:
    """Download data sets: mnist, fashion-mnist."""
    for name in names or ["mnist", "fashion-mnist"]:
        recipe = next((recipe for recipe in RECIPES.values() if recipe.data == name), None)
        view = recipe.view if recipe else RECIPES["digits-cnn"].view
        splits = sources.load(name, view, data)
        console.print(f"{name}: {len(splits.train)} to train on, {len(splits.test)} to test on")


@app.command(name="train")
def train_models(
    names: RecipeNames = None,
    data: DataFolder = sources.DATA,
    zoo: ZooFolder = ZOO,
    runs: RunsFolder = RUNS,
    limit: Limit = None,
    epochs: Epochs = None,
    seed: Seed = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint.")] = False,
) -> None:
    """Train models and export each to its .onnx file and model card."""
    for recipe in select_recipes(names, data):
        recipe = recipe.with_changes(epochs=epochs, seed=seed)
        splits = load_splits(recipe, data, limit)
        checkpoint = runs / recipe.name / "checkpoint.pt"
        if not resume:
            for stale in checkpoint.parent.glob("checkpoint*.pt"):
                stale.unlink()
        with tracked(recipe, runs):
            result = train_recipe(recipe, splits, checkpoint, log_epoch, data)
            result.save(runs / recipe.name)
            log_card(export_with_page(recipe, result, splits, zoo, data))


@app.command(name="export")
def export_models(
    names: RecipeNames = None,
    data: DataFolder = sources.DATA,
    zoo: ZooFolder = ZOO,
    runs: RunsFolder = RUNS,
    limit: Limit = None,
) -> None:
    """Calibrate, verify and write the .onnx files of models that were trained before."""
    for recipe in select_recipes(names, data):
        splits = load_splits(recipe, data, limit)
        result = TrainingResult.load(runs / recipe.name, recipe)
        export_with_page(recipe, result, splits, zoo, data)


@app.command(name="evaluate")
def evaluate_models(
    names: ModelNames = None,
    data: DataFolder = sources.DATA,
    zoo: ZooFolder = ZOO,
    runs: RunsFolder = RUNS,
    pictures: Annotated[
        Path | None, typer.Option(help="A CSV file (file, label) to measure a classifier on instead.")
    ] = None,
    outliers: Annotated[
        Path | None,
        typer.Option("--outliers", "--strange", help="A folder of pictures that the model is not made for."),
    ] = None,
    from_log: Annotated[
        Path | None, typer.Option(help="A prediction log of the service to measure by its feedback instead.")
    ] = None,
) -> None:
    """Measure .onnx files on the test split of the data named in their card.

    Prints the tables and writes them to runs/NAME/evaluation.json.
    """
    if from_log is not None:
        log = read_log(from_log)
        for table in online_tables(log, join_feedback(log)):
            console.print(table)
        return
    for model, splits in select_models(names, data, zoo):
        evaluation = evaluate_with_outliers(model, splits, data, pictures, outliers)
        for table in evaluation_tables(model.card, evaluation):
            console.print(table)
        path = runs / model.card.name / "evaluation.json"
        values = evaluation.summary() | {"version": model.card.version}
        write_atomically(path, json.dumps(values, indent=1) + "\n")
        console.print(f"wrote {path}")


@app.command(name="report")
def report_models(
    names: ModelNames = None,
    data: DataFolder = sources.DATA,
    zoo: ZooFolder = ZOO,
    runs: RunsFolder = RUNS,
    pictures: Annotated[Path, typer.Option(help="Where pictures for the model cards go.")] = PICTURES,
) -> None:
    """Draw curves, errors, calibration and the worst and best ten of .onnx files.

    What may be published goes beside the model cards, the rest to runs/NAME/report.
    """
    for model, splits in select_models(names, data, zoo):
        published = pictures / model.card.name
        evaluation = evaluate_with_outliers(model, splits, data)
        for path in report(model.card, evaluation, published, runs / model.card.name / "report"):
            console.print(f"wrote {path}")
        write_model_card(model, published)


@app.command(name="reference")
def write_references(names: ModelNames = None, data: DataFolder = sources.DATA, zoo: ZooFolder = ZOO) -> None:
    """Write how .onnx files answer their test split into their cards: drift is measured against it.

    Weights, version and golden answers stay; `train` and `export` do this by themselves.
    """
    for model, splits in select_models(names, data, zoo):
        path = write_reference(model, splits)
        write_model_card(open_model(path), PICTURES / model.card.name)
        console.print(f"wrote {path}")


@app.command(name="crossvalidate")
def crossvalidate_model(
    name: str,
    data: DataFolder = sources.DATA,
    folds: Annotated[int, typer.Option(help="Into how many parts the groups go.")] = 7,
    only: Annotated[list[int] | None, typer.Option(help="Only this fold; may be given again.")] = None,
    at_random: Annotated[bool, typer.Option("--random", help="Split by picture, not by group.")] = False,
    epochs: Epochs = None,
    limit: Limit = None,
) -> None:
    """Price the pictures of each fold by a network trained on the others."""
    recipe = select_recipes([name], data)[0].with_changes(epochs=epochs)
    if recipe.task != "regression":
        raise DataError(f"{name} is a classifier; cross-validation is for prices, which come in groups.")
    held_out = crossvalidate(recipe, load_splits(recipe, data, limit), folds, only or (), at_random)
    which = "all folds" if not only else "folds " + ", ".join(map(str, only))
    split = "by picture" if at_random else "by group"
    console.print(crossvalidation_table(f"{name}: {which} of {folds}, split {split}", held_out))


app.command(name="lab")(run_lab)
app.command(name="course")(run_course)


def main() -> None:
    """Run the command line."""
    configure_logging()
    app()


if __name__ == "__main__":
    main()
