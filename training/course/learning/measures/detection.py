"""A detector at a threshold: four counts, and the metrics that they define."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torchmetrics.functional.classification import (
    binary_accuracy,
    binary_fbeta_score,
    binary_precision,
    binary_recall,
    binary_specificity,
)

from models.model import ZOO, Model, open_model
from training.data.splits import Examples
from training.data.synthetic.outliers import draw_outliers
from training.evaluation.evaluate import predict

FORMULAS = """\
                     said yes              said no
is one               TP true positives     FN false negatives
is none              FP false positives    TN true negatives

accuracy     (TP + TN) / (TP + TN + FP + FN)      error rate   1 - accuracy
precision    TP / (TP + FP)                       how many of the yes are right
recall       TP / (TP + FN)                       how many of the sought are found
specificity  TN / (TN + FP)                       how many of the others are left alone
F-beta       (1 + b^2) P R / (b^2 P + R)          recall counts b times as much as precision
ROC          recall against 1 - specificity, one point for each threshold"""


@dataclass(frozen=True)
class Counts:
    """What a detector said about positives and negatives."""

    true_positives: int
    false_positives: int
    false_negatives: int
    true_negatives: int

    @staticmethod
    def at(threshold: float, scores: Tensor, positive: Tensor) -> "Counts":
        """Count: scores float32 (N,), positive bool (N,); a score above the threshold says yes."""
        said = scores > threshold
        counts = (said & positive, said & ~positive, ~said & positive, ~said & ~positive)
        return Counts(*(int(count.sum()) for count in counts))

    @property
    def accuracy(self) -> float:
        """The fraction of right answers."""
        right = self.true_positives + self.true_negatives
        return right / (right + self.false_positives + self.false_negatives)

    @property
    def precision(self) -> float:
        """The fraction of right ones among the yes; 1 where there is no yes."""
        said = self.true_positives + self.false_positives
        return self.true_positives / said if said else 1.0

    @property
    def recall(self) -> float:
        """The fraction of the sought that is found."""
        return self.true_positives / (self.true_positives + self.false_negatives)

    @property
    def specificity(self) -> float:
        """The fraction of the others that is left alone."""
        return self.true_negatives / (self.true_negatives + self.false_positives)

    def f(self, beta: float) -> float:
        """The weighted harmonic mean of precision and recall (van Rijsbergen, 1979)."""
        weight = beta**2
        return (1 + weight) * self.precision * self.recall / (weight * self.precision + self.recall)


@dataclass(frozen=True)
class Detector:
    """Scores of pictures, and which of them are sought.

    Attributes:
        name: For a figure.
        scores: float32 (N,), the higher the more likely sought.
        positive: bool (N,).
    """

    name: str
    scores: Tensor
    positive: Tensor

    def counts(self, threshold: float) -> Counts:
        """At a threshold."""
        return Counts.at(threshold, self.scores, self.positive)

    def from_torchmetrics(self, threshold: float) -> dict[str, float]:
        """The same metrics as torchmetrics computes them."""
        given = (self.scores, self.positive.long())
        values = {
            "accuracy": binary_accuracy(*given, threshold=threshold),
            "precision": binary_precision(*given, threshold=threshold),
            "recall": binary_recall(*given, threshold=threshold),
            "specificity": binary_specificity(*given, threshold=threshold),
            "F1": binary_fbeta_score(*given, beta=1.0, threshold=threshold),
            "F2": binary_fbeta_score(*given, beta=2.0, threshold=threshold),
            "F0.5": binary_fbeta_score(*given, beta=0.5, threshold=threshold),
        }
        return {name: float(value) for name, value in values.items()}

    def by_formula(self, threshold: float) -> dict[str, float]:
        """The same metrics by the formulas."""
        counts = self.counts(threshold)
        return {
            "accuracy": counts.accuracy, "precision": counts.precision, "recall": counts.recall,
            "specificity": counts.specificity, "F1": counts.f(1), "F2": counts.f(2), "F0.5": counts.f(0.5),
        }  # fmt: skip


def hardest_class(probabilities: npt.NDArray[np.float32], classes: npt.NDArray[np.int64]) -> int:
    """The class with the lowest recall."""
    right = probabilities.argmax(1) == classes
    return int(np.argmin([right[classes == number].mean() for number in range(probabilities.shape[1])]))


def class_detector(
    name: str, probabilities: npt.NDArray[np.float32], test: Examples, number: int
) -> Detector:
    """The probability of one class as a detector of it."""
    positive = torch.from_numpy(test.targets == number)
    return Detector(name, torch.from_numpy(probabilities[:, number]), positive)


def familiarity_detector(
    model: Model, familiarity: npt.NDArray[np.float32], strangers: int, root: Path
) -> Detector:
    """A model's familiarity as a detector of digits among drawn pictures of anything else."""
    drawn = draw_outliers("mnist", model.card.view, strangers, seed=1, root=root)
    others = predict(model, np.concatenate(list(drawn.values())))["familiarity"]
    scores = torch.from_numpy(np.concatenate([familiarity, others]))
    return Detector("familiarity", scores, torch.arange(len(scores)) < len(familiarity))


def served(name: str) -> Model:
    """A model of the zoo, opened."""
    return open_model(ZOO / f"{name}.onnx")
