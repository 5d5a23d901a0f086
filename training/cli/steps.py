"""Steps of commands: exporting a trained network, evaluating a file, finding pictures for it."""

from pathlib import Path

import numpy as np

from models.model import Model, open_model
from training.cli.console import console
from training.cli.options import PICTURES
from training.data import sources
from training.data.price_table import priced
from training.data.splits import DataError, Examples, Splits
from training.data.synthetic.outliers import draw_outliers
from training.data.user_pictures import folder, labelled
from training.evaluation.evaluate import Evaluation, evaluate, predict
from training.evaluation.gallery import answers_with_gallery
from training.export.export import export
from training.export.familiarity import PUBLISHED_OPTIONS
from training.export.model_card import write_model_card
from training.fitting.result import TrainingResult
from training.fitting.tracking.answers import TestAnswers
from training.recipe import Recipe


def export_with_page(recipe: Recipe, result: TrainingResult, splits: Splits, zoo: Path, data: Path) -> Model:
    """Export a model, and its card as a page beside it."""
    path = export(recipe, result, splits, zoo, data, PUBLISHED_OPTIONS)
    model = open_model(path)
    page = write_model_card(model, PICTURES / recipe.name)
    console.print(f"wrote {path} ({path.stat().st_size / 1e6:.1f} MB) and {page.name}")
    return model


def answer_test(model: Model, splits: Splits) -> TestAnswers:
    """How a model answers its test split, for the record of its training."""
    return answers_with_gallery(model.card, splits.test, predict(model, splits.test.pixels))


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


def examples_of(
    file: Path, data: Path, part: str, pictures: Path | None = None
) -> tuple[Model, str, str, Examples]:
    """A model, and a part of its data set or the pictures of a table, as its view shows them.

    Returns:
        The model, the name of the data, that of the part, and the pictures with their targets.

    Raises:
        DataError: The data cannot be loaded.
        ZooError: The file is missing or does not open.
    """
    model = open_model(file)
    card = model.card
    if pictures is None:
        source = card.training.name
        return model, source, part, getattr(sources.load(source, card.view, data), part)
    if card.task == "classification":
        examples = labelled(pictures, card.labels, card.view)
    else:
        examples = priced(pictures, card.view)
    return model, pictures.absolute().parent.name, "pictures", examples


def spread_evenly(examples: Examples, count: int | None) -> Examples:
    """At most `count` of them from the first to the last: neighbours are often of one kind."""
    if count is None or count >= len(examples):
        return examples
    return examples[np.linspace(0, len(examples) - 1, count).astype(int)]
