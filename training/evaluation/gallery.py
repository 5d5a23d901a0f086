"""The answers to a test split with the worst of them as a gallery: actual, predicted, absolute error."""

import numpy as np
import numpy.typing as npt

from models.card import Card, ClassifierCard, Outputs
from training.data.splits import Examples
from training.evaluation.plots import PUBLISHABLE
from training.fitting.tracking.answers import Exhibit, TestAnswers

EXHIBITS = 20


def answers_with_gallery(
    card: Card, test: Examples, outputs: Outputs, count: int = EXHIBITS, data: str | None = None
) -> TestAnswers:
    """The answers of a model, with its `count` worst as a gallery.

    The worst class is that whose true one got the least probability, the worst price that which is off by
    the largest factor. Pictures are shown only where the licence of their data set allows it.

    Args:
        card: Of the model.
        test: N pictures with their targets.
        outputs: The model's outputs for them.
        count: How many exhibits at most.
        data: Name of the data set, if it is not the one the model was trained on.
    """
    shown = (data or card.training.name) in PUBLISHABLE
    actual: npt.NDArray[np.generic]
    if isinstance(card, ClassifierCard):
        labels = card.labels
        true = test.targets.astype(np.int64)
        told = outputs["probabilities"].argmax(axis=1)
        badness = errors = 1 - outputs["probabilities"][np.arange(len(test)), true].astype(np.float64)
        names = np.array(labels)
        actual, predicted = names[true], names[told]
    else:
        labels, true, told = (), np.zeros(0, np.int64), np.zeros(0, np.int64)
        actual, predicted = test.targets.astype(np.float64), outputs["value"].astype(np.float64)
        errors, badness = np.abs(predicted - actual), np.abs(np.log(predicted / actual))
    gallery = [
        Exhibit(
            test.pixels[index] if shown else None,
            actual[index].item(),
            predicted[index].item(),
            float(errors[index]),
        )
        for index in np.argsort(-badness, kind="stable")[:count]
    ]
    return TestAnswers(gallery, labels, true, told)
