"""Metrics of an exported file, measured on the file itself through onnxruntime."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torchmetrics.functional import (
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    r2_score,
)
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_auroc,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_fbeta_score,
    multiclass_precision,
    multiclass_recall,
    multiclass_specificity,
)

from models.card import Measured, Outputs
from models.model import Model
from training.data.splits import Examples, Splits

BATCH_SIZE = 64


def predict(model: Model, pixels: npt.NDArray[np.uint8]) -> Outputs:
    """The model's outputs for any number of pictures, uint8 (N, H, W, C)."""
    batches = [model(pixels[start : start + BATCH_SIZE]) for start in range(0, len(pixels), BATCH_SIZE)]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation measured.

    Attributes:
        measured: The metrics, as a card holds them.
        test: The examples that were measured on.
        outputs: The model's outputs for them.
        refused: The fraction of each kind of outlier that is not familiar.
        confusion: Of a classifier: int64 (K, K), true class by predicted class.
    """

    measured: Measured
    test: Examples
    outputs: Outputs
    refused: Mapping[str, float]
    confusion: npt.NDArray[np.int64] | None = None

    def summary(self) -> dict[str, object]:
        """All figures, ready for JSON."""
        values: dict[str, object] = self.measured.model_dump() | {"refused": dict(self.refused)}
        if self.confusion is not None:
            values["confusion"] = self.confusion.tolist()
        return values


def evaluate(
    model: Model,
    splits: Splits,
    outliers: Mapping[str, npt.NDArray[np.uint8]],
    examples: tuple[str, Examples] | None = None,
) -> Evaluation:
    """Measure a model on the test split, beside the constant that fits the training split best.

    Args:
        model: An opened model.
        splits: The data set it was trained on.
        outliers: Pixels of pictures that the model was not made for, by kind; they should not be familiar.
        examples: A name and examples to measure on instead of the test split.
    """
    name, test = examples or (f"{splits.name}, test split", splits.test)
    outputs = predict(model, test.pixels)
    threshold = model.card.familiarity_threshold
    if model.card.task == "classification":
        confusion, values = classification(outputs, test)
        most = int(np.bincount(splits.train.targets.astype(np.int64)).argmax())
        baseline = {"accuracy": float((test.targets == most).mean())}
    else:
        confusion, values = None, regression(outputs, test)
        median = float(np.median(splits.train.targets.astype(np.float64)))
        constant = np.full(len(test), median)
        baseline = errors(constant, test.targets.astype(np.float64))
    values["familiar"] = float((outputs["familiarity"] >= threshold).mean())
    refused = {
        kind: float((predict(model, pixels)["familiarity"] < threshold).mean())
        for kind, pixels in outliers.items()
    }
    values["strangers_refused"] = float(np.mean(list(refused.values())))
    measured = Measured(data=name, n=len(test), values=_round(values), baseline=_round(baseline))
    return Evaluation(measured, test, outputs, refused, confusion)


def classification(outputs: Outputs, test: Examples) -> tuple[npt.NDArray[np.int64], dict[str, float]]:
    """The confusion matrix and the metrics of a classifier.

    Returns:
        Int64 (K, K), true class by predicted class; and by name: accuracy; precision, recall, specificity,
        f1, f2 and roc_auc as means over the classes, roc_auc over those that are there; ece, the expected
        calibration error over 15 bins.
    """
    probabilities = torch.from_numpy(outputs["probabilities"])
    classes = torch.from_numpy(test.targets.astype(np.int64))
    count = probabilities.shape[1]
    values = {
        "accuracy": multiclass_accuracy(probabilities, classes, count, average="micro"),
        "precision": multiclass_precision(probabilities, classes, count),
        "recall": multiclass_recall(probabilities, classes, count),
        "specificity": multiclass_specificity(probabilities, classes, count),
        "f1": multiclass_f1_score(probabilities, classes, count),
        "f2": multiclass_fbeta_score(probabilities, classes, 2.0, count),
        "roc_auc": _roc_auc(probabilities, classes, count),
        "ece": multiclass_calibration_error(probabilities, classes, count, n_bins=15),
    }
    confusion = multiclass_confusion_matrix(probabilities, classes, count)
    return confusion.numpy().astype(np.int64), {name: float(value) for name, value in values.items()}


def _roc_auc(probabilities: torch.Tensor, classes: torch.Tensor, count: int) -> float:
    """The mean over the classes that some pictures, but not all, are of; 0 where there is none."""
    pictures = classes.bincount(minlength=count)
    defined = (pictures > 0) & (pictures < len(classes))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchmetrics takes 0 for the other classes
        each = multiclass_auroc(probabilities, classes, count, average="none")
    return float(each[defined].mean()) if defined.any() else 0.0


def regression(outputs: Outputs, test: Examples) -> dict[str, float]:
    """The metrics of a regressor and of its intervals.

    Returns:
        By name: the errors of the price; coverage, the fraction of true prices inside their interval, of
        all pictures, with each group counting the same, and of the quarter with the highest predictions;
        the median width relative to the price. With photos from several tables, median_ape of each table.
    """
    targets = test.targets.astype(np.float64)
    low, high = outputs["low"], outputs["high"]
    value = outputs["value"].astype(np.float64)
    covered = (low <= targets) & (targets <= high)
    dearest = value >= np.quantile(value, 0.75)
    values = errors(value, targets) | {
        "coverage": float(covered.mean()),
        "coverage_by_group": float(np.average(covered, weights=_equal_groups(test))),
        "coverage_dearest": float(covered[dearest].mean()),
        "median_relative_width": float(np.median((high - low) / value)),
    }
    tables = test.facts.get("table", np.full(len(test), ""))
    for table in sorted(set(tables)) if len(set(tables)) > 1 else ():
        inside = tables == table
        values[f"median_ape_{table}"] = errors(value[inside], targets[inside])["median_ape"]
    return values


def _equal_groups(test: Examples) -> npt.NDArray[np.float64]:
    """Weights, float64 (N,), under which each group, or each picture without groups, counts the same."""
    if test.groups is None:
        return np.ones(len(test))
    _, index, counts = np.unique(test.groups, return_inverse=True, return_counts=True)
    weights: npt.NDArray[np.float64] = 1 / counts[index]
    return weights


def errors(predictions: npt.NDArray[np.float64], targets: npt.NDArray[np.float64]) -> dict[str, float]:
    """Errors of prices, each (N,).

    Returns:
        median_ape and mape as fractions of the true price, mae and rmse in its unit, mse in the square of the
        unit, r2 of the price and r2_log of its logarithm.
    """
    predicted, true = torch.from_numpy(predictions), torch.from_numpy(targets)
    return {
        "median_ape": float(np.median(np.abs(predictions - targets) / targets)),
        "mape": float(mean_absolute_percentage_error(predicted, true)),
        "mae": float(mean_absolute_error(predicted, true)),
        "mse": float(mean_squared_error(predicted, true)),
        "rmse": float(mean_squared_error(predicted, true, squared=False)),
        "r2": float(r2_score(predicted, true)),
        "r2_log": float(r2_score(predicted.log(), true.log())),
    }


def _round(values: dict[str, float]) -> dict[str, float]:
    """Four significant digits."""
    return {name: float(f"{value:.4g}") for name, value in values.items()}
