"""Steps that several commands share: exporting a trained network, and evaluating a file."""

from pathlib import Path

from models.card import Card
from models.model import Model, open_model
from training.cli.console import console
from training.data.splits import DataError, Examples, Splits
from training.data.synthetic.outliers import draw_outliers
from training.data.user_pictures import folder, labelled
from training.evaluation.evaluate import Evaluation, evaluate
from training.evaluation.plots import PICTURES
from training.export.export import export
from training.export.familiarity import PUBLISHED_OPTIONS
from training.export.model_card import write_model_card
from training.fitting.result import TrainingResult
from training.recipe import Recipe


def export_with_page(recipe: Recipe, result: TrainingResult, splits: Splits, zoo: Path, data: Path) -> Card:
    """Export a model, and its card as a page beside it."""
    path = export(recipe, result, splits, zoo, data, PUBLISHED_OPTIONS)
    model = open_model(path)
    page = write_model_card(model, PICTURES / recipe.name)
    console.print(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB) and {page.name}")
    return model.card


def evaluate_with_outliers(
    model: Model, splits: Splits, data: Path, pictures: Path | None = None, outliers: Path | None = None
) -> Evaluation:
    """Evaluate a model, with the same drawn outliers as at its export.

    Args:
        model: An opened model.
        splits: The data it was trained on.
        data: Where the data sets are that outliers are made of.
        pictures: A CSV file of pictures to measure a classifier on instead of the test split.
        outliers: A folder of pictures that are outliers beside the drawn ones.

    Raises:
        DataError: `pictures` for a regressor, or a file cannot be read.
    """
    card = model.card
    examples: tuple[str, Examples] | None = None
    if pictures is not None:
        if card.task != "classification":
            raise DataError(f"{card.name} is no classifier; --pictures is for those.")
        examples = pictures.parent.name, labelled(pictures, card.labels, card.view)
    count = PUBLISHED_OPTIONS.test_outliers
    kinds = draw_outliers(card.training.name, card.view, count, seed=2, root=data)
    if outliers is not None:
        kinds[str(outliers)] = folder(outliers, card.view)
    return evaluate(model, splits, kinds, examples)
