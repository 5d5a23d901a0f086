"""How good an exported file is, measured on the file itself through onnxruntime."""

import numpy as np
import numpy.typing as npt
import torch
from torchmetrics.functional import r2_score
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_f1_score,
)

from models.card import Answers, Measured
from models.zoo import Model
from training.datasets import Examples, Splits

BATCH = 64


def answers(model: Model, pixels: npt.NDArray[np.uint8]) -> Answers:
    """The file's outputs for any number of pictures."""
    batches = [model(pixels[start : start + BATCH]) for start in range(0, len(pixels), BATCH)]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def measure(model: Model, splits: Splits, threshold: float, strange: npt.NDArray[np.uint8]) -> Measured:
    """Metrics on the test split, and those of the constant that suits the training split best.

    strange: pixels of pictures that the model was not made for; how many it knows to be so.
    """
    outputs = answers(model, splits.test.pixels)
    familiar = float((outputs["familiarity"] >= threshold).mean())
    if model.card.task == "classification":
        values = classification(outputs, splits.test)
        most = int(np.bincount(splits.train.targets.astype(np.int64)).argmax())
        baseline = {"accuracy": float((splits.test.targets == most).mean())}
    else:
        values = regression(outputs, splits.test)
        median = float(np.median(splits.train.targets.astype(np.float64)))
        constant = np.full(len(splits.test), median)
        baseline = errors(constant, splits.test.targets.astype(np.float64))
    name = f"{splits.name}, test split"
    values["familiar"] = familiar
    scores = answers(model, strange)["familiarity"]
    values["strangers_refused"] = float((scores < threshold).mean())
    return Measured(data=name, n=len(splits.test), values=_round(values), baseline=_round(baseline))


def classification(outputs: Answers, test: Examples) -> dict[str, float]:
    """accuracy, f1 (macro) and ece: expected calibration error over 15 bins."""
    probabilities = torch.from_numpy(outputs["probabilities"])
    classes = torch.from_numpy(test.targets.astype(np.int64))
    count = probabilities.shape[1]
    return {
        "accuracy": float(multiclass_accuracy(probabilities, classes, count, average="micro")),
        "f1": float(multiclass_f1_score(probabilities, classes, count)),
        "ece": float(multiclass_calibration_error(probabilities, classes, count, n_bins=15)),
    }


def regression(outputs: Answers, test: Examples) -> dict[str, float]:
    """Errors of the price, and what its interval is worth: share of truths inside, median width
    relative to the price."""
    truth = test.targets.astype(np.float64)
    low, high, value = outputs["low"], outputs["high"], outputs["value"]
    return errors(value.astype(np.float64), truth) | {
        "coverage": float(((low <= truth) & (truth <= high)).mean()),
        "median_relative_width": float(np.median((high - low) / value)),
    }


def errors(value: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]) -> dict[str, float]:
    """median_ape, mape: shares of the true price. mae: in the unit. r2_log: R2 of the log price."""
    relative = np.abs(value - truth) / truth
    return {
        "median_ape": float(np.median(relative)),
        "mape": float(relative.mean()),
        "mae": float(np.abs(value - truth).mean()),
        "r2_log": float(r2_score(torch.from_numpy(np.log(value)), torch.from_numpy(np.log(truth)))),
    }


def _round(values: dict[str, float]) -> dict[str, float]:
    return {name: float(f"{value:.4g}") for name, value in values.items()}
