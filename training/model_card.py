"""The model card for people: <name>.md beside the .onnx file, generated from the card inside it."""

from collections.abc import Sequence
from pathlib import Path

from models.card import Card
from models.zoo import Model

REBUILD = "python -m training train {name}"

MEANING = {
    "accuracy": "share of pictures with the right class",
    "f1": "F1 score, mean over the classes",
    "ece": "expected calibration error, 15 bins",
    "familiar": "share of test pictures that count as familiar",
    "strangers_refused": "share of drawn pictures of anything else that do not",
    "median_ape": "median absolute percentage error",
    "mape": "mean absolute percentage error",
    "mae": "mean absolute error, in the card's unit",
    "r2_log": "R2 of the log price",
    "coverage": "share of true prices between low and high",
    "median_relative_width": "median of (high - low) / price",
}


def write_model_card(model: Model) -> Path:
    """Write <name>.md beside the model file and return its path."""
    path = model.path.with_suffix(".md")
    path.write_text(render(model.card, model.path.stat().st_size))
    return path


def render(card: Card, size: int) -> str:
    """The whole page as Markdown."""
    height, width, channels = card.view.shape
    view = ", ".join(f"{name} {value}" for name, value in card.view.model_dump().items())
    rows = "\n".join(
        f"| {name} | {value:.4g} | {_cell(card.measured.baseline.get(name))} | {MEANING[name]} |"
        for name, value in card.measured.values.items()
    )
    constant = "the most frequent class" if card.task == "classification" else "the median price"
    return f"""# {card.name}

{card.summary}

Generated from the card inside `{card.name}.onnx` (version {card.version}, {size / 1e6:.1f} MB).

## How to feed it

Input `pixels`: uint8 (N, {height}, {width}, {channels}), made by the view `{view}` (models/views.py).
Outputs, float32, one row per picture: {", ".join(f"`{name}`" for name in card.outputs)}.
{_answer(card)}
A picture whose `familiarity` is below {card.familiarity_threshold:.4g} looks unlike the training pictures.

## What it learned from

{card.training.name}: {card.training.count:,} training pictures ({card.training.licence}), fingerprint
`{card.training.fingerprint[:16]}`.

## How good it is

Measured on this file through onnxruntime: {card.measured.data}, n = {card.measured.n:,}.
The constant is {constant} of the training split.

| metric | this model | constant | meaning |
|---|---|---|---|
{rows}

## Limits

{_limits(card)}

## Rebuild

`{REBUILD.format(name=card.name)}`. Same data, same machine, same seed: same version.

Licence of the file: {card.licence}.
"""


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _answer(card: Card) -> str:
    if card.task == "classification":
        return f"Classes in the order of `probabilities`: {', '.join(card.labels)}."
    return (
        f"`value`, `low` and `high` are in {card.unit}, {card.basis}; {card.coverage:.0%} of true"
        " prices are meant to lie between `low` and `high`."
    )


def _limits(card: Card) -> str:
    if card.task == "classification":
        return (
            "Knows nothing but its classes: any other picture gets one of them too, most often with"
            " a low familiarity. One object per picture; the view takes the largest."
        )
    return (
        "The price is what the model was listed at when new, seen from the outside: no age, mileage,"
        " trim or market. Groups (car models) of the test split were never trained on, so the error"
        " is that for a car it has not seen. The photos it learned from are of third parties,"
        " mostly without a stated licence: for research."
    )


def zoo_table(cards: Sequence[Card]) -> str:
    """The table of the README: every model with its main figure beside the constant's."""
    rows = ["| model | pixels | main figure | constant | n |", "|---|---|---|---|---|"]
    for card in cards:
        metric, said = {
            "classification": ("accuracy", "{:.2%} right"),
            "regression": ("median_ape", "{:.1%} median error"),
        }[card.task]
        height, width, channels = card.view.shape
        value, constant = card.measured.values[metric], card.measured.baseline[metric]
        rows.append(
            f"| [{card.name}](models/zoo/{card.name}.md) | {height} x {width} x {channels}"
            f" | {said.format(value)} | {constant:.1%} | {card.measured.n:,} |"
        )
    return "\n".join(rows)
