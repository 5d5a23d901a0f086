"""Losses: each is a function of a batch that returns the mean loss and its gradient by the first argument."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from training.networks.from_scratch.activations import log_softmax, sigmoid
from training.networks.from_scratch.layers import Array

Classes = npt.NDArray[np.int64]
Loss = Callable[[Array, Any], tuple[float, Array]]


def softmax_cross_entropy(scores: Array, classes: Classes) -> tuple[float, Array]:
    """Scores (N, K), classes (N,): -log of the softmax of the right class.

    Its gradient is the error the lectures learn by: softmax minus one-hot.
    """
    log_probabilities, rows = log_softmax(scores), np.arange(len(classes))
    gradient = np.exp(log_probabilities)
    gradient[rows, classes] -= 1
    return float(-log_probabilities[rows, classes].mean()), gradient / len(classes)


def negative_log_likelihood(probabilities: Array, classes: Classes) -> tuple[float, Array]:
    """Probabilities (N, K) of a `Softmax` layer, classes (N,): -log of that of the right class."""
    rows = np.arange(len(classes))
    right = probabilities[rows, classes]
    gradient = np.zeros_like(probabilities)
    gradient[rows, classes] = -1 / right
    return float(-np.log(right).mean()), gradient / len(classes)


def binary_cross_entropy(scores: Array, targets: Array) -> tuple[float, Array]:
    """Scores of any shape, before the sigmoid, and targets of that shape, 0 to 1."""
    # -t log s(x) - (1 - t) log(1 - s(x)), rearranged so that exp never gets a positive number
    losses = np.maximum(scores, 0) - scores * targets + np.log1p(np.exp(-np.abs(scores)))
    return float(losses.mean()), (sigmoid(scores) - targets) / scores.size


def squared_error(values: Array, targets: Array) -> tuple[float, Array]:
    """Values and targets of one shape: the mean of their squared differences."""
    errors = values - targets
    return float((errors**2).mean()), 2 * errors / errors.size


def absolute_error(values: Array, targets: Array) -> tuple[float, Array]:
    """Values and targets of one shape: the mean of their absolute differences."""
    errors = values - targets
    return float(np.abs(errors).mean()), np.sign(errors) / errors.size
