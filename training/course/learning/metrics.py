"""Metrics are not losses: what each counts, what a threshold trades, where they part from the loss."""

import matplotlib.pyplot as plt
import numpy as np
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torchmetrics.functional.classification import (
    binary_auroc,
    binary_precision_recall_curve,
    binary_roc,
    multiclass_calibration_error,
)

from models.image.views import DigitView
from training.course.learning.measures.detection import (
    FORMULAS,
    Detector,
    class_detector,
    familiarity_detector,
    hardest_class,
    served,
)
from training.course.learning.measures.overconfidence import Overfit, overfit
from training.course.page import Listing, Page, Table
from training.course.workbench import BLUE, GREEN, GREY, LIGHT_BLUE, ORANGE, RED, Workbench
from training.data.sources import load
from training.evaluation.evaluate import predict
from training.export.calibration import fit_temperature

THRESHOLDS = (0.05, 0.25, 0.5, 0.75, 0.95)
BINS = 15


def calibration_error(logits: Tensor, classes: Tensor) -> float:
    """Expected calibration error: the mean gap of confidence and accuracy (Guo et al., ICML 2017)."""
    return float(multiclass_calibration_error(logits.softmax(1), classes, logits.shape[1], n_bins=BINS))


def reliability(logits: Tensor, classes: Tensor) -> list[tuple[float, float, int]]:
    """Mean confidence, accuracy and number of pictures of each bin that has any."""
    confidence, answers = logits.softmax(1).max(1)
    index = (confidence * BINS).long().clamp_max(BINS - 1)
    bins = []
    for number in range(BINS):
        inside = index == number
        if inside.any():
            right = (answers == classes)[inside].float().mean()
            bins.append((float(confidence[inside].mean()), float(right), int(inside.sum())))
    return bins


def run(workbench: Workbench) -> Page:
    """Measure served models at thresholds; overfit one network; calibrate it."""
    names = ("digits-linear",) if workbench.small else ("digits-linear", "digits-mlp", "digits-cnn")
    test = load("mnist", DigitView(), workbench.data).test[: workbench.size(5000, 2000)]
    models = {name: served(name) for name in names}
    outputs = {name: predict(model, test.pixels) for name, model in models.items()}
    linear = outputs["digits-linear"]
    number = hardest_class(linear["probabilities"], test.targets.astype(np.int64))
    detectors = [class_detector(name, outputs[name]["probabilities"], test, number) for name in names]
    familiar = familiarity_detector(
        models["digits-linear"], linear["familiarity"], workbench.size(1000, 140), workbench.data
    )
    first = detectors[0]
    areas = {detector.name: float(binary_auroc(detector.scores, detector.positive.long()))
             for detector in (*detectors, familiar)}  # fmt: skip
    at = {threshold: first.by_formula(threshold) for threshold in THRESHOLDS}
    same = max(
        abs(value - first.from_torchmetrics(threshold)[name])
        for threshold, values in at.items()
        for name, value in values.items()
    )
    never = 1 - float(first.positive.float().mean())

    curve = overfit(workbench)
    low, (last_loss, last_accuracy) = curve.lowest_loss, curve.end
    first_loss, first_error = curve.test_loss[low], 1 - curve.test_accuracy[low]
    temperature = fit_temperature(curve.calibration_logits, curve.calibration_classes)
    sets = [(logits, curve.test_classes) for logits in (curve.test_logits, curve.test_logits / temperature)]
    errors = [calibration_error(*pair) for pair in sets]
    losses = [float(F.cross_entropy(*pair)) for pair in sets]
    right = [float((logits.argmax(1) == classes).float().mean()) for logits, classes in sets]
    counts = first.counts(0.5)
    return Page(
        title="Metrics are not losses",
        claim="A loss moves the weights, a metric reports on them, and the two can move in opposite"
        " directions.",
        holds=last_loss > 1.1 * first_loss and 1 - last_accuracy < first_error - 0.002
        and right[0] == right[1],
        verdict=f"From epoch {low + 1} on the cross entropy of test digits rises, from {first_loss:.2f} to"
        f" {last_loss:.2f} over the last ten epochs, while the error rate falls from {first_error:.1%} to"
        f" {1 - last_accuracy:.1%}. Dividing all scores by a temperature of {temperature:.2f} then brings"
        f" the loss from {losses[0]:.2f} to {losses[1]:.2f} without a single answer changing.",
        blocks=[
            "## What each metric counts",
            Listing(FORMULAS),
            f"The served digits-linear as a detector of the digit {number}, the one it finds worst, on"
            f" {len(test):,} test digits: at a threshold of 0.5 it has {counts.true_positives} true and"
            f" {counts.false_positives} false positives, {counts.false_negatives} false and"
            f" {counts.true_negatives:,} true negatives. torchmetrics agrees with the formulas to within"
            f" {same:.0e}.",
            Table(("threshold", *at[0.5]), [
                (f"{threshold:.2f}", *(f"{value:.3f}" for value in row.values()))
                for threshold, row in at.items()
            ]),
            "Accuracy hardly moves: nine in ten digits are something else, and a detector that always says"
            f" no has {never:.3f}. Precision and recall tell what the threshold trades. F2 is for those who"
            " must not miss one, F0.5 for those who must not cry wolf; each has its best threshold"
            " elsewhere.",
            workbench.save(
                _detectors([*detectors, familiar], first), "detectors",
                "ROC curves of the served models, and precision and recall of digits-linear by threshold",
            ),
            "## ROC",
            f"A ROC curve shows all thresholds at once. Its area is the chance that a random {number} scores"
            " higher than a random other digit. Familiarity is a detector too: of digits, among drawn"
            " pictures of anything else.",
            Table(("detector", "area"), [(name, f"{area:.4f}") for name, area in areas.items()]),
            "## The loss rises, the error rate falls",
            workbench.save(
                _curves(curve), "epochs",
                "Cross entropy falls early and then rises; the error rate goes on falling"
            ),
            f"A small CNN learns {curve.pictures:,} digits by heart. Its mistakes on test digits become"
            " fewer, but those that remain it makes with ever more confidence, and cross entropy charges"
            " minus the logarithm of the probability of the truth. Early stopping on the loss and early"
            " stopping on the accuracy keep different networks. Minimising the error rate itself is not"
            " possible: it is a staircase without slope.",
            "The two part company more often than they cross: of five networks tried for this page, all"
            " had a rising test loss at the end and four an accuracy that stayed level within its noise."
            " This is the fifth.",
            "## Calibration",
            workbench.save(
                _reliability(sets, errors), "reliability",
                "Confidence against accuracy: too sure before, near the diagonal after the temperature",
            ),
            "Where this network says 95 %, it should be right 95 times in a hundred. It is too sure: the"
            f" expected calibration error is {errors[0]:.1%}. A temperature fitted on other digits makes it"
            f" {errors[1]:.1%}; accuracy stays {right[0]:.1%}, since dividing all scores by one number"
            " changes no order. Every served classifier has its temperature in its file.",
        ],
        code=[
            "training/course/learning/metrics.py", "training/course/learning/measures/detection.py",
            "training/course/learning/measures/overconfidence.py", "training/evaluation/evaluate.py",
            "training/export/calibration.py",
        ],
        try_this="Set LAST in training/course/learning/measures/overconfidence.py to 1 and RATE to 3e-3,"
        " and run `python -m training lab metrics`: does the error rate still fall while the loss rises?",
        values={
            "torchmetrics_difference": same, "always_no": never, "temperature": temperature,
            "lowest_loss": first_loss, "last_loss": last_loss,
            "error_at_lowest_loss": first_error, "last_error": 1 - last_accuracy,
            "ece_before": errors[0], "ece_after": errors[1],
            "loss_before": losses[0], "loss_after": losses[1],
            "accuracy_before": right[0], "accuracy_after": right[1],
        }
        | {f"auc_{name}": area for name, area in areas.items()}
        | {f"{name}_{threshold}": value for threshold, row in at.items() for name, value in row.items()},
    )  # fmt: skip


def _detectors(detectors: list[Detector], first: Detector) -> Figure:
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained")
    for detector, colour in zip(detectors, (BLUE, ORANGE, RED, GREEN), strict=False):
        false_positives, recall, _ = binary_roc(detector.scores, detector.positive.long())
        left.plot(false_positives.clamp_min(1e-4), recall, color=colour, label=detector.name)
    chance = np.geomspace(1e-4, 1)
    left.plot(chance, chance, ":", color=GREY, label="guessing")
    left.set(xscale="log", xlabel="1 - specificity (log scale)", ylabel="recall", xlim=(3e-4, 1))
    left.legend(frameon=False, loc=(0.45, 0.3))
    left.grid(alpha=0.3)
    precision, recall, thresholds = binary_precision_recall_curve(first.scores, first.positive.long())
    right.plot(thresholds, precision[:-1], color=BLUE, label="precision")
    right.plot(thresholds, recall[:-1], color=RED, label="recall")
    right.set(xlabel=f"threshold of {first.name}", ylim=(0, 1.02), xlim=(0, 1))
    right.legend(frameon=False, loc="lower center")
    right.grid(alpha=0.3)
    return figure


def _curves(curve: Overfit) -> Figure:
    figure, axes = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
    epochs = np.arange(1, len(curve.test_loss) + 1)
    for axis, train, test, label in (
        (axes[0], curve.train_loss, curve.test_loss, "cross entropy"),
        (axes[1], 1 - np.array(curve.train_accuracy), 1 - np.array(curve.test_accuracy), "error rate"),
    ):
        axis.plot(epochs, train, color=LIGHT_BLUE, label="training")
        axis.plot(epochs, test, color=BLUE, label="test")
        axis.axvline(curve.lowest_loss + 1, color=GREY, linewidth=1, linestyle=":")
        axis.set(xlabel="epoch (dotted: lowest test loss)", title=label, ylim=(0, 1.7 * max(test[5:])))
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False)
    return figure


def _reliability(sets: list[tuple[Tensor, Tensor]], errors: list[float]) -> Figure:
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained", sharey=True)
    for axis, pair, error, title in zip(axes, sets, errors, ("before", "after"), strict=True):
        _reliability_of(axis, pair, f"{title} the temperature: calibration error {error:.1%}")
    axes[0].set_ylabel("fraction that is right")
    return figure


def _reliability_of(axis: Axes, pair: tuple[Tensor, Tensor], title: str) -> None:
    confidence, right, counts = zip(*reliability(*pair), strict=True)
    axis.plot([0, 1], [0, 1], ":", color=GREY)
    axis.plot(confidence, right, color=BLUE, linewidth=1)
    axis.scatter(
        confidence, right, 8 + 500 * np.sqrt(np.array(counts) / sum(counts)), color=LIGHT_BLUE, zorder=3
    )
    axis.set(xlabel="confidence (larger dots: more digits)", title=title, xlim=(0.2, 1.03), ylim=(0, 1.05))
