"""Plots of a model: training curves, errors, calibration, the worst and the best examples.

All come from the exported file and its test split. Pictures of test examples go into the model card only
where their licence allows it; photos of cars do not.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import numpy.typing as npt

mpl.use("Agg")  # needs no window: reports are drawn on servers too

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from models.card import Card, ClassifierCard, RegressorCard
from training.evaluation.evaluate import Evaluation

PUBLISHABLE = frozenset({"mnist", "fashion-mnist", "drawn-cars"})
"""Data sets whose licence allows showing their pictures."""

EXAMPLES_SHOWN = 10
"""Of the worst, and as many of the best."""

RELIABILITY_BINS = 15
PRICES_SHOWN = 300

BLUE, LIGHT_BLUE, RED = "#1f4e79", "#9db8d2", "#c0504d"


def report(card: Card, evaluation: Evaluation, published: Path, private: Path) -> list[Path]:
    """Draw all plots of a model and return the paths of the files.

    Args:
        card: Of the model.
        evaluation: On its test split.
        published: A folder for what the model card may show.
        private: A folder for pictures that it may not.
    """
    figures = {}
    if card.curves:
        figures["curves"] = _curves(card)
    if isinstance(card, ClassifierCard):
        assert evaluation.confusion is not None
        figures["confusion"] = _confusion(card, evaluation.confusion)
        figures["reliability"] = _reliability(card, evaluation)
    else:
        figures["prices"] = _prices(card, evaluation)
    figures["examples"] = _examples(card, evaluation)
    written = []
    for name, figure in figures.items():
        folder = private if name == "examples" and card.training.name not in PUBLISHABLE else published
        folder.mkdir(parents=True, exist_ok=True)
        written.append(folder / f"{name}.png")
        figure.savefig(written[-1], dpi=90, metadata={"Software": None})
        plt.close(figure)
    return written


def _curves(card: Card) -> Figure:
    """Loss and metric after each epoch, of the training and the validation split."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    epochs = np.arange(1, len(card.curves["train_loss"]) + 1)
    metric = "accuracy" if card.task == "classification" else "median absolute percentage error"
    for axis, kind, label in zip(axes, ("loss", "metric"), ("loss", metric), strict=True):
        axis.plot(epochs, card.curves[f"train_{kind}"], color=LIGHT_BLUE, label="train (augmented)")
        axis.plot(epochs, card.curves[f"validation_{kind}"], color=BLUE, label="validation")
        axis.set(xlabel="epoch", title=label)
        axis.grid(alpha=0.3)
    axes[0].set_yscale("log")
    axes[0].legend(frameon=False)
    return figure


def _confusion(card: ClassifierCard, confusion: npt.NDArray[np.int64]) -> Figure:
    """The confusion matrix, shaded by the fraction of each row."""
    count = len(card.labels)
    figure, axis = plt.subplots(figsize=(0.5 * count + 1.5, 0.5 * count + 1.2), layout="constrained")
    fraction = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    axis.imshow(np.sqrt(fraction), cmap="Blues", vmin=0, vmax=1.2)
    for row, column in np.argwhere(confusion):
        colour = "white" if fraction[row, column] > 0.5 else "black"
        axis.text(column, row, confusion[row, column], ha="center", va="center", fontsize=8, color=colour)
    rotation = 0 if max(map(len, card.labels)) < 3 else 60
    axis.set_xticks(range(count), card.labels, rotation=rotation)
    axis.set_yticks(range(count), card.labels)
    axis.set(xlabel="answer", ylabel="true class", title="confusion matrix")
    return figure


def _reliability(card: ClassifierCard, evaluation: Evaluation) -> Figure:
    """Confidence against accuracy in 15 bins, and how many pictures fall into each."""
    probabilities = evaluation.outputs["probabilities"]
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == evaluation.test.targets
    index = np.minimum((confidence * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    counts = np.bincount(index, minlength=RELIABILITY_BINS)
    filled = counts > 0
    mean_confidence = np.bincount(index, confidence, RELIABILITY_BINS)[filled] / counts[filled]
    accuracy = np.bincount(index, correct, RELIABILITY_BINS)[filled] / counts[filled]
    figure, (axis, below) = plt.subplots(
        2, 1, figsize=(4.5, 5), layout="constrained", sharex=True, height_ratios=(3, 1)
    )
    axis.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle=":")
    axis.plot(mean_confidence, accuracy, "o-", color=BLUE)
    ece = evaluation.measured.values["ece"]
    axis.set(ylabel="share that is right", title=f"reliability: expected calibration error {ece:.2%}")
    below.bar((np.arange(RELIABILITY_BINS) + 0.5) / RELIABILITY_BINS, counts, width=0.06, color=LIGHT_BLUE)
    below.set(xlabel="confidence", ylabel="pictures", yscale="log", xlim=(0, 1))
    return figure


def _prices(card: RegressorCard, evaluation: Evaluation) -> Figure:
    """Predicted against true price, each with its interval; those outside it in red."""
    targets = evaluation.test.targets.astype(np.float64)
    outputs = evaluation.outputs
    few = np.random.default_rng(0).permutation(len(targets))[:PRICES_SHOWN]
    figure, axis = plt.subplots(figsize=(6, 5), layout="constrained")
    inside = (outputs["low"] <= targets) & (targets <= outputs["high"])
    for chosen, colour, label in ((inside, BLUE, "inside its interval"), (~inside, RED, "outside")):
        part = few[chosen[few]]
        axis.vlines(targets[part], outputs["low"][part], outputs["high"][part], color=colour, alpha=0.12)
        axis.plot(targets[part], outputs["value"][part], ".", color=colour, markersize=5, label=label)
    ends = np.array([targets.min(), targets.max()])
    axis.plot(ends, ends, color="grey", linewidth=1, linestyle=":")
    metrics = evaluation.measured.values
    axis.set(
        xscale="log", yscale="log", xlabel=f"true price, {card.unit}", ylabel=f"answered price, {card.unit}",
        title=f"median error {metrics['median_ape']:.1%}, {metrics['coverage']:.1%} inside",
    )  # fmt: skip
    axis.legend(frameon=False)
    return figure


def _examples(card: Card, evaluation: Evaluation) -> Figure:
    """The worst and the best ten, each with the true and the predicted class or price, and the error."""
    if isinstance(card, ClassifierCard):
        probabilities = evaluation.outputs["probabilities"]
        classes = evaluation.test.targets.astype(np.int64)
        errors = 1 - probabilities[np.arange(len(classes)), classes]
        captions = [
            f"{card.labels[true]}, told {card.labels[predicted]}\nerror {error:.3f}"
            for true, predicted, error in zip(classes, probabilities.argmax(axis=1), errors, strict=True)
        ]
    else:
        value = evaluation.outputs["value"].astype(np.float64)
        prices = evaluation.test.targets.astype(np.float64)
        errors = np.abs(np.log(value / prices))
        captions = [
            f"{true:,.0f}, told {predicted:,.0f}\nerror {abs(predicted - true):,.0f}"
            for true, predicted in zip(prices, value, strict=True)
        ]
    order = np.argsort(errors)
    figure, axes = plt.subplots(4, 5, figsize=(9, 8.5), layout="constrained")
    rows: Sequence[npt.NDArray[np.intp]] = (order[: -EXAMPLES_SHOWN - 1 : -1], order[:EXAMPLES_SHOWN])
    for axis, index in zip(axes.flat, np.concatenate(rows), strict=False):
        _show(axis, evaluation.test.pixels[index], captions[index])
    figure.suptitle("the worst ten, and the best ten")
    return figure


def _show(axis: Axes, pixels: npt.NDArray[np.uint8], caption: str) -> None:
    axis.imshow(pixels.squeeze(), cmap="gray", vmin=0, vmax=255)
    axis.set_title(caption, fontsize=8)
    axis.axis("off")
