"""The commands that measure models: `evaluate`, `report`, `reference`, `crossvalidate`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from models.atomic import write_atomically
from models.model import ZOO, open_model
from training.cli.console import console
from training.cli.options import PICTURES, RUNS, DataFolder, Epochs, Limit, ModelNames, RunsFolder, ZooFolder
from training.data import sources
from training.data.splits import DataError


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
    from training.cli.select import select_models
    from training.cli.steps import evaluate_with_outliers
    from training.cli.tables import evaluation_tables, online_tables
    from training.evaluation.online import join_feedback, read_log

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
    from training.cli.select import select_models
    from training.cli.steps import evaluate_with_outliers
    from training.evaluation.plots import report
    from training.export.model_card import write_model_card

    for model, splits in select_models(names, data, zoo):
        published = pictures / model.card.name
        evaluation = evaluate_with_outliers(model, splits, data)
        for path in report(model.card, evaluation, published, runs / model.card.name / "report"):
            console.print(f"wrote {path}")
        write_model_card(model, published)


def write_references(names: ModelNames = None, data: DataFolder = sources.DATA, zoo: ZooFolder = ZOO) -> None:
    """Write how .onnx files answer their test split into their cards: drift is measured against it.

    Weights, version and golden answers stay; `train` and `export` do this by themselves.
    """
    from training.cli.select import select_models
    from training.export.drift_reference import write_reference
    from training.export.model_card import write_model_card

    for model, splits in select_models(names, data, zoo):
        path = write_reference(model, splits)
        write_model_card(open_model(path), PICTURES / model.card.name)
        console.print(f"wrote {path}")


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
    from training.cli.select import load_splits, select_recipes
    from training.cli.tables import crossvalidation_table
    from training.evaluation.crossvalidate import crossvalidate

    recipe = select_recipes([name], data)[0].with_changes(epochs=epochs)
    if recipe.task != "regression":
        raise DataError(f"{name} is a classifier; cross-validation is for prices, which come in groups.")
    held_out = crossvalidate(recipe, load_splits(recipe, data, limit), folds, only or (), at_random)
    which = "all folds" if not only else "folds " + ", ".join(map(str, only))
    split = "by picture" if at_random else "by group"
    console.print(crossvalidation_table(f"{name}: {which} of {folds}, split {split}", held_out))
