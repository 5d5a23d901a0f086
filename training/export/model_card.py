"""The model card as a page: <name>.md beside the .onnx file, generated from the card inside it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from models.atomic import write_atomically
from models.card import Card, Histogram, PriceReference
from models.model import Model
from training.data.sources import SOURCES
from training.recipes import RECIPES

REBUILD_COMMAND = "python -m training train {name}"
REBUILD_OWN_COMMAND = "python -m training new {name} FOLDER"

MEANING = {
    "accuracy": "share of pictures with the right class",
    "precision": "share of right ones among the answers of a class, mean over the classes",
    "recall": "share of a class that is found, mean over the classes",
    "specificity": "share of other classes that is not taken for it, mean over the classes",
    "f1": "harmonic mean of precision and recall, mean over the classes",
    "f2": "the same with recall counting twice as much",
    "roc_auc": "area under the ROC curve, one class against the rest, mean over the classes",
    "ece": "expected calibration error, 15 bins",
    "familiar": "share of test pictures that count as familiar",
    "strangers_refused": "share of pictures of anything else that do not count as familiar",
    "median_ape": "median absolute percentage error",
    "mape": "mean absolute percentage error",
    "mae": "mean absolute error, in the card's unit",
    "mse": "mean squared error, in the square of the unit",
    "rmse": "root of the mean squared error, in the unit",
    "r2": "R2 of the price",
    "r2_log": "R2 of the log price",
    "coverage": "share of true prices between low and high",
    "coverage_by_group": "the same, each group (car model) counting the same",
    "coverage_dearest": "the same of the quarter told dearest",
    "median_relative_width": "median of (high - low) / price",
}

PLOTS = {
    "curves": "loss and metric after each epoch",
    "confusion": "confusion matrix",
    "reliability": "confidence against accuracy",
    "prices": "answered against true prices, with intervals",
    "examples": "the worst and the best ten of the test split",
}
"""The plots of `python -m training report`, with their captions."""


def write_model_card(model: Model, plots: Path) -> Path:
    """Write <name>.md beside the model file, with the plots that are in the folder; return its path."""
    path = model.path.with_suffix(".md")
    links = {
        name: os.path.relpath(plots / f"{name}.png", path.parent)
        for name in PLOTS
        if (plots / f"{name}.png").exists()
    }
    write_atomically(path, render(model.card, model.path.stat().st_size, links))
    return path


def render(card: Card, size: int, plots: Mapping[str, str] = MappingProxyType({})) -> str:
    """The whole page as Markdown.

    Args:
        card: Of the model.
        size: Bytes of its file.
        plots: Paths, relative to the page, by their name in PLOTS.
    """
    height, width, channels = card.view.shape
    view = ", ".join(f"{name} {value}" for name, value in card.view.model_dump().items())
    rows = "\n".join(
        f"| {name} | {value:.4g}{_interval(card, name)} | {_cell(card.measured.baseline.get(name))}"
        f" | {meaning(name)} |"
        for name, value in card.measured.values.items()
    )
    command = REBUILD_COMMAND if card.name in RECIPES else REBUILD_OWN_COMMAND
    constant = "the most frequent class" if card.task == "classification" else "the median price"
    return f"""# {card.name}

{card.summary}

Generated from the card inside `{card.name}.onnx` (version {card.version}, {size / 1e6:.1f} MB).

## How to feed it

Input `pixels`: uint8 (N, {height}, {width}, {channels}), made by the view `{view}` (models/image/views.py).
Outputs, float32, one row per picture: {", ".join(f"`{name}`" for name in card.outputs)}.
{_outputs(card)}
A picture whose `familiarity` is below {card.familiarity_threshold:.4g} looks unlike the training pictures.

## What it learned from

{card.training.name}: {card.training.count:,} training pictures ({card.training.licence}), fingerprint
`{card.training.fingerprint[:16]}`.{_pages(card)}{_notes(card)}

## How good it is

Measured on this file through onnxruntime: {card.measured.data}, n = {card.measured.n:,}.
The constant is {constant} of the training split.

| metric | this model | constant | meaning |
|---|---|---|---|
{rows}
{_plots(plots)}{_reference(card)}
## Limits

{_limits(card)}

## Rebuild

`{command.format(name=card.name)}`. Same data, same machine, same seed: same version.

Licence of the file: {card.licence}.
"""


def meaning(metric: str) -> str:
    """What a metric measures, in words."""
    table = metric.removeprefix("median_ape_")
    return MEANING[metric] if table == metric else f"median_ape of the photos of {table} alone"


def _plots(plots: Mapping[str, str]) -> str:
    return "".join(f"\n![{PLOTS[name]}]({path})\n" for name, path in plots.items())


def _reference(card: Card) -> str:
    """The distribution that drift is measured against."""
    reference = card.reference
    if reference is None:
        return ""
    facets = {}
    if isinstance(reference, PriceReference):
        facets["price"] = _bins(reference.prices)
    elif card.task == "classification":
        fractions = zip(card.labels, reference.classes, strict=True)
        facets["class"] = ", ".join(f"{label} {fraction:.1%}" for label, fraction in fractions)
        facets["confidence"] = _bins(reference.confidence)
    facets["familiarity"] = _bins(reference.familiarity)
    rows = "\n".join(f"- {facet}: {bins}" for facet, bins in facets.items())
    return (
        f"\n## How it usually answers\n\nTo {reference.data}, n = {reference.n:,}. The service measures drift"
        f" against this.\n\n{rows}\n"
    )


def _bins(histogram: Histogram) -> str:
    first, *others = histogram.shares
    bins = zip(histogram.edges, others, strict=True)
    above = (f"{fraction:.1%} from {edge:.6g}" for edge, fraction in bins)
    return ", ".join((f"{first:.1%} below", *above))


def _interval(card: Card, metric: str) -> str:
    """The ends of a metric's 95 % interval, where it has one."""
    ends = card.measured.intervals.get(metric)
    return "" if ends is None else f" ({ends[0]:.3g} to {ends[1]:.3g})"


def _notes(card: Card) -> str:
    """What was left out of the training pictures."""
    return "".join(f"\n- {note}" for note in card.training.notes)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _outputs(card: Card) -> str:
    """What the outputs mean."""
    if card.task == "classification":
        return f"Classes in the order of `probabilities`: {', '.join(card.labels)}."
    return (
        f"`value`, `low` and `high` are in {card.unit}, {card.basis}; {card.coverage:.0%} of true"
        " prices are meant to lie between `low` and `high`."
    )


def _pages(card: Card) -> str:
    """How many digits on pages were added to the training pictures."""
    if card.training.made == 0:
        return ""
    return (
        f"\n{card.training.made:,} more were made: digits of that set, and drawn ones, written on pages,"
        "\nphotographed and read back by the view (training/data/synthetic/pages.py)."
    )


def _limits(card: Card) -> str:
    if card.task == "classification":
        return (
            "Knows nothing but its classes: any other picture gets one of them too, most often with"
            " a low familiarity. One object per picture; the view takes the largest."
        )
    if card.training.name not in SOURCES:
        return (
            "Knows what its owner's pictures show and no more. The error is that for groups it has not seen,"
            " where the pictures came in groups."
        )
    return (
        "The price is what the model was listed at when new, seen from the outside: no age, mileage,"
        " trim or market. Groups (car models) of the test split were never trained on, so the error"
        " is that for a car it has not seen. The photos it learned from are of third parties,"
        " mostly without a stated licence: for research."
    )


def zoo_table(cards: Sequence[Card]) -> str:
    """The table of the README: each model's main figure beside that of the constant."""
    rows = ["| model | pixels | main figure | constant | n |", "|---|---|---|---|---|"]
    for card in cards:
        metric, text = {
            "classification": ("accuracy", "{:.2%} right"),
            "regression": ("median_ape", "{:.1%} median error"),
        }[card.task]
        height, width, channels = card.view.shape
        value, constant = card.measured.values[metric], card.measured.baseline[metric]
        rows.append(
            f"| [{card.name}](models/zoo/{card.name}.md) | {height} x {width} x {channels}"
            f" | {text.format(value)} | {constant:.1%} | {card.measured.n:,} |"
        )
    return "\n".join(rows)
