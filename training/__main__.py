"""`python -m training`: fetch data, train, evaluate and export models."""

import json
import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler

from models.card import Card
from models.model import ZOO, Model, ZooError, open_model
from training.cli import tables
from training.cli.select import load, models_of, recipes_of
from training.data import sources
from training.data.splits import DataError, Examples, Splits
from training.data.synthetic.outliers import draw_outliers
from training.data.user_pictures import folder, labelled
from training.evaluation import online
from training.evaluation.crossvalidate import crossvalidate
from training.evaluation.evaluate import Evaluation, evaluate
from training.evaluation.plots import PICTURES, report
from training.export.drift_reference import write_reference
from training.export.export import ExportError, export
from training.export.model_card import write_model_card
from training.fitting.result import TrainingResult
from training.fitting.tracking import log_card, log_epoch, tracked
from training.fitting.train import train_recipe
from training.recipe import Recipe
from training.recipes import RECIPES

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console()

Names = Annotated[list[str] | None, typer.Argument(help="Models; all that data is at hand for.")]
DataFolder = Annotated[Path, typer.Option("--data", help="Where data sets lie.")]
ZooFolder = Annotated[Path, typer.Option("--zoo", help="Where .onnx files go.")]
RunsFolder = Annotated[Path, typer.Option("--runs", help="Where checkpoints and histories go.")]
Limit = Annotated[int | None, typer.Option(help="Train on this many pictures only, for a try.")]
RUNS = Path("runs")


@app.command()
def fetch(
    names: Annotated[list[str] | None, typer.Argument()] = None, data: DataFolder = sources.DATA
) -> None:
    """Download data sets: mnist, fashion-mnist."""
    for name in names or ["mnist", "fashion-mnist"]:
        recipe = next((recipe for recipe in RECIPES.values() if recipe.data == name), None)
        view = recipe.view if recipe else RECIPES["digits-cnn"].view
        splits = sources.load(name, view, data)
        console.print(f"{name}: {len(splits.train)} to train on, {len(splits.test)} to test on")


@app.command()
def train(
    names: Names = None,
    data: DataFolder = sources.DATA,
    zoo: ZooFolder = ZOO,
    runs: RunsFolder = RUNS,
    limit: Limit = None,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint.")] = False,
) -> None:
    """Train models and export each to its .onnx file and model card."""
    for recipe in recipes_of(names, data):
        recipe = recipe.with_changes(epochs=epochs, seed=seed)
        splits = load(recipe, data, limit)
        checkpoint = runs / recipe.name / "checkpoint.pt"
        if not resume:
            for stale in checkpoint.parent.glob("checkpoint*.pt"):
                stale.unlink()
        with tracked(recipe, runs):
            fitted = train_recipe(recipe, splits, checkpoint, log_epoch)
            fitted.save(runs / recipe.name)
            log_card(_export(recipe, fitted, splits, zoo, data))


@app.command(name="export")
def export_again(
    names: Names = None,
    data: DataFolder = sources.DATA,
    zoo: ZooFolder = ZOO,
    runs: RunsFolder = RUNS,
    limit: Limit = None,
) -> None:
    """Calibrate, verify and write the .onnx files of models that were trained before."""
    for recipe in recipes_of(names, data):
        splits = load(recipe, data, limit)
        _export(recipe, TrainingResult.load(runs / recipe.name, recipe), splits, zoo, data)


@app.command(name="evaluate")
def evaluate_files(
    names: Annotated[list[str] | None, typer.Argument(help="Models of the zoo; all of them.")] = None,
    data: DataFolder = sources.DATA,
    zoo: ZooFolder = ZOO,
    runs: RunsFolder = RUNS,
    pictures: Annotated[
        Path | None, typer.Option(help="A CSV file (file, label) to measure a classifier on instead.")
    ] = None,
    outliers: Annotated[
        Path | None, typer.Option(help="A folder of pictures that the model is not made for.")
    ] = None,
    from_log: Annotated[
        Path | None, typer.Option(help="A prediction log of the service to measure by its feedback instead.")
    ] = None,
) -> None:
    """Measure .onnx files on the test split of the data named in their card.

    Prints the tables and writes them to runs/NAME/evaluation.json.
    """
    if from_log is not None:
        answered = online.read(from_log)
        for table in tables.of_live(answered, online.join(answered)):
            console.print(table)
        return
    for model, splits in models_of(names, data, zoo):
        card = model.card
        if pictures is None:
            examples = None
        elif card.task == "classification":
            examples = pictures.parent.name, labelled(pictures, card.labels, card.view)
        else:
            raise DataError(f"{card.name} is no classifier; --pictures is for those.")
        evaluation = _evaluation(model, splits, data, outliers, examples)
        for table in tables.of_evaluation(card, evaluation):
            console.print(table)
        path = runs / card.name / "evaluation.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(evaluation.summary() | {"version": card.version}, indent=1) + "\n")
        console.print(f"wrote {path}")


@app.command(name="report")
def draw_report(
    names: Annotated[list[str] | None, typer.Argument(help="Models of the zoo; all of them.")] = None,
    data: DataFolder = sources.DATA,
    zoo: ZooFolder = ZOO,
    runs: RunsFolder = RUNS,
    pictures: Annotated[Path, typer.Option(help="Where pictures for the model cards go.")] = PICTURES,
) -> None:
    """Draw curves, errors, calibration and the worst and best ten of .onnx files.

    What may be published goes beside the model cards, the rest to runs/NAME/report.
    """
    for model, splits in models_of(names, data, zoo):
        published = pictures / model.card.name
        evaluation = _evaluation(model, splits, data)
        for path in report(model.card, evaluation, published, runs / model.card.name / "report"):
            console.print(f"wrote {path}")
        write_model_card(model, published)


@app.command(name="reference")
def refer_again(
    names: Annotated[list[str] | None, typer.Argument(help="Models of the zoo; all of them.")] = None,
    data: DataFolder = sources.DATA,
    zoo: ZooFolder = ZOO,
) -> None:
    """Write how .onnx files answer their test split into their cards: drift is measured against it.

    Weights, version and golden answers stay; `train` and `export` do this by themselves.
    """
    for model, splits in models_of(names, data, zoo):
        path = write_reference(model, splits)
        write_model_card(open_model(path), PICTURES / model.card.name)
        console.print(f"wrote {path}")


@app.command(name="crossvalidate")
def price_every_fold(
    name: str,
    data: DataFolder = sources.DATA,
    folds: Annotated[int, typer.Option(help="Into how many parts the groups go.")] = 7,
    only: Annotated[list[int] | None, typer.Option(help="Only this fold; may be given again.")] = None,
    at_random: Annotated[bool, typer.Option("--random", help="Split by picture, not by group.")] = False,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.")] = None,
    limit: Limit = None,
) -> None:
    """Price the pictures of each fold by a network trained on the others."""
    recipe = recipes_of([name], data)[0].with_changes(epochs=epochs)
    if recipe.task != "regression":
        raise DataError(f"{name} is a classifier; cross-validation is for prices, which come in groups.")
    held_out = crossvalidate(recipe, load(recipe, data, limit), folds, only or (), at_random)
    which = "all folds" if not only else "folds " + ", ".join(map(str, only))
    split = "by picture" if at_random else "by group"
    console.print(tables.of_folds(f"{name}: {which} of {folds}, split {split}", held_out))


def _evaluation(
    model: Model,
    splits: Splits,
    data: Path,
    more: Path | None = None,
    examples: tuple[str, Examples] | None = None,
) -> Evaluation:
    """more: a folder of strangers beside the drawn ones. examples: examples instead of the test split."""
    view = model.card.view
    outliers = draw_outliers(model.card.training.name, view, 1000, seed=2, root=data)
    if more is not None:
        outliers[str(more)] = folder(more, view)
    return evaluate(model, splits, outliers, examples)


def _export(recipe: Recipe, fitted: TrainingResult, splits: Splits, zoo: Path, data: Path) -> Card:
    path = export(recipe, fitted, splits, zoo, data)
    model = open_model(path)
    page = write_model_card(model, PICTURES / recipe.name)
    console.print(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB) and {page.name}")
    return model.card


def main() -> None:
    handler = RichHandler(console=console, show_path=False, show_time=False)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
    for chatty in ("onnxscript", "onnx_ir"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    try:
        app()
    except (DataError, ExportError, ZooError) as error:
        raise SystemExit(f"error: {error}") from None


if __name__ == "__main__":
    main()
