"""How good an exported file is, measured on the file itself through onnxruntime."""

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

BATCH = 64


def predict(model: Model, pixels: npt.NDArray[np.uint8]) -> Outputs:
    """The file's outputs for any number of pictures."""
    batches = [model(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


@dataclass(frozen=True)
class Evaluation:
    """measured: the metrics, as they stand in a card. outputs: the file's answers to the test split.
    confusion: int (K, K), true class by answered class, of a classifier. refused: the share of each kind
    of stranger that is not familiar."""

    measured: Measured
    test: Examples
    outputs: Outputs
    refused: Mapping[str, float]
    confusion: npt.NDArray[np.int64] | None = None

    def summary(self) -> dict[str, object]:
        """All figures, ready for JSON."""
        found: dict[str, object] = self.measured.model_dump() | {"refused": dict(self.refused)}
        if self.confusion is not None:
            found["confusion"] = self.confusion.tolist()
        return found


def evaluate(
    model: Model,
    splits: Splits,
    outliers: Mapping[str, npt.NDArray[np.uint8]],
    examples: tuple[str, Examples] | None = None,
) -> Evaluation:
    """Metrics on the test split, and those of the constant that suits the training split best.

    outliers: pixels of pictures that the model was not made for, by kind; it should know that they are.
    examples: a name and examples to measure on instead of the test split.
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
    """The confusion matrix, and: accuracy; precision, recall, specificity, f1, f2 and roc_auc as means
    over the classes; ece, the expected calibration error over 15 bins."""
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
        "roc_auc": multiclass_auroc(probabilities, classes, count),
        "ece": multiclass_calibration_error(probabilities, classes, count, n_bins=15),
    }
    confusion = multiclass_confusion_matrix(probabilities, classes, count)
    return confusion.numpy().astype(np.int64), {name: float(value) for name, value in values.items()}


def regression(outputs: Outputs, test: Examples) -> dict[str, float]:
    """Errors of the price, and what its interval is worth: share of truths inside, of all, of those
    told dearest and with each group counting the same; median width relative to the price. Where photos
    come from several tables, each one's errors as well."""
    truth = test.targets.astype(np.float64)
    low, high = outputs["low"], outputs["high"]
    value = outputs["value"].astype(np.float64)
    covered = (low <= truth) & (truth <= high)
    dearest = value >= np.quantile(value, 0.75)
    values = errors(value, truth) | {
        "coverage": float(covered.mean()),
        "coverage_by_group": float(np.average(covered, weights=_by_group(test))),
        "coverage_dearest": float(covered[dearest].mean()),
        "median_relative_width": float(np.median((high - low) / value)),
    }
    tables = test.facts.get("table", np.full(len(test), ""))
    for table in sorted(set(tables)) if len(set(tables)) > 1 else ():
        inside = tables == table
        values[f"median_ape_{table}"] = errors(value[inside], truth[inside])["median_ape"]
    return values


def _by_group(test: Examples) -> npt.NDArray[np.float64]:
    """float64 (N,): each group, or each picture where there are none, weighs the same."""
    if test.groups is None:
        return np.ones(len(test))
    _, index, counts = np.unique(test.groups, return_inverse=True, return_counts=True)
    weights: npt.NDArray[np.float64] = 1 / counts[index]
    return weights


def errors(value: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]) -> dict[str, float]:
    """median_ape, mape: shares of the true price. mae, rmse: in the unit; mse in its square. r2 of the
    price, r2_log of its logarithm."""
    told, true = torch.from_numpy(value), torch.from_numpy(truth)
    return {
        "median_ape": float(np.median(np.abs(value - truth) / truth)),
        "mape": float(mean_absolute_percentage_error(told, true)),
        "mae": float(mean_absolute_error(told, true)),
        "mse": float(mean_squared_error(told, true)),
        "rmse": float(mean_squared_error(told, true, squared=False)),
        "r2": float(r2_score(told, true)),
        "r2_log": float(r2_score(told.log(), true.log())),
    }


def _round(values: dict[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.4g}") for name, value in values.items()}
