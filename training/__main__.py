"""`python -m training`: fetch data, train, evaluate and export models."""

import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.table import Table

from models.zoo import ZOO, ZooError, open_model
from training import sources
from training.datasets import DataError, Splits
from training.evaluate import measure
from training.export import ExportError, export
from training.fit import Fitted, fit
from training.model_card import write_model_card
from training.recipe import Recipe
from training.recipes import PUBLISHED, RECIPES
from training.strangers import strangers
from training.transfer import fit_transfer

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Console()
log = logging.getLogger(__name__)

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
    for recipe in _chosen(names, data):
        recipe = recipe.with_changes(epochs=epochs, seed=seed)
        splits = _load(recipe, data, limit)
        checkpoint = runs / recipe.name / "checkpoint.pt"
        if not resume:
            checkpoint.unlink(missing_ok=True)
        learn = fit_transfer if recipe.frozen_body else fit
        fitted = learn(recipe, splits, checkpoint)
        fitted.save(runs / recipe.name)
        _export(recipe, fitted, splits, zoo, data)


@app.command(name="export")
def export_again(
    names: Names = None,
    data: DataFolder = sources.DATA,
    zoo: ZooFolder = ZOO,
    runs: RunsFolder = RUNS,
    limit: Limit = None,
) -> None:
    """Calibrate, verify and write the .onnx files of models that were trained before."""
    for recipe in _chosen(names, data):
        splits = _load(recipe, data, limit)
        _export(recipe, Fitted.load(runs / recipe.name, recipe), splits, zoo, data)


@app.command()
def evaluate(
    names: Annotated[list[str] | None, typer.Argument(help="Models of the zoo; all of them.")] = None,
    data: DataFolder = sources.DATA,
    zoo: ZooFolder = ZOO,
) -> None:
    """Measure .onnx files on the test split of the data named in their card."""
    table = Table("model", "data", "n", "metric", "now", "in the card", "baseline")
    for name in names or [path.stem for path in sorted(zoo.glob("*.onnx"))]:
        model = open_model(zoo / f"{name}.onnx")
        if not names and not sources.at_hand(model.card.training.name, data):
            log.warning("%s: its data is not at hand", name)
            continue
        splits = sources.load(model.card.training.name, model.card.view, data)
        if splits.fingerprint != model.card.training.fingerprint:
            log.warning("%s: this is not the data it was trained on; compare with care", name)
        strange = strangers(model.card.training.name, model.card.view, 1000, seed=2, root=data)
        measured = measure(model, splits, model.card.familiarity_threshold, strange)
        for metric, value in measured.values.items():
            then, constant = (
                f"{table[metric]:.4g}" if metric in table else "-"
                for table in (model.card.measured.values, measured.baseline)
            )
            table.add_row(name, measured.data, str(measured.n), metric, f"{value:.4g}", then, constant)
    console.print(table)


def _chosen(names: list[str] | None, data: Path) -> list[Recipe]:
    unknown = set(names or ()) - set(RECIPES)
    if unknown:
        raise DataError(f"No recipe for {', '.join(sorted(unknown))}; there are {', '.join(RECIPES)}.")
    if names:
        return [RECIPES[name] for name in names]
    recipes = [RECIPES[name] for name in PUBLISHED]
    for recipe in recipes:
        if not sources.at_hand(recipe.data, data):
            log.warning("%s: skipped, its data is not at hand in %s", recipe.name, data)
    return [recipe for recipe in recipes if sources.at_hand(recipe.data, data)]


def _load(recipe: Recipe, data: Path, limit: int | None) -> Splits:
    splits = sources.load(recipe.data, recipe.view, data)
    return splits.limited(limit) if limit else splits


def _export(recipe: Recipe, fitted: Fitted, splits: Splits, zoo: Path, data: Path) -> None:
    path = export(recipe, fitted, splits, zoo, data)
    card = write_model_card(open_model(path))
    console.print(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB) and {card.name}")


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
