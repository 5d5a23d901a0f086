"""The check of a derivative written by hand: central differences."""

from collections.abc import Callable
from typing import Any

import numpy as np

from training.networks.from_scratch.layers import Array, Layer
from training.networks.from_scratch.losses import Loss

STEP = float(np.finfo(float).eps) ** (1 / 3)
"""6e-6: larger steps miss the curve, smaller ones lose digits; both errors are about equal here."""


def central_differences(function: Callable[[], float], x: Array, step: float = STEP) -> Array:
    """The slope of a function by each element of x, from its values a step to either side.

    Args:
        function: Reads x, which is changed for each value and then restored.
        x: float64, any shape.
        step: How far to go.
    """
    slopes = np.empty_like(x)
    for index in np.ndindex(x.shape):
        value = x[index]
        x[index] = value + step
        above = function()
        x[index] = value - step
        below = function()
        x[index] = value
        slopes[index] = (above - below) / (2 * step)
    return slopes


def relative_error(gradient: Array, expected: Array) -> float:
    """The length of the difference of two gradients, by that of the longer one; 0 for two of length 0."""
    length = max(np.linalg.norm(gradient), np.linalg.norm(expected))
    return float(np.linalg.norm(gradient - expected) / length) if length else 0.0


def check_layer(layer: Layer, x: Array, rng: np.random.Generator) -> dict[str, float]:
    """The relative errors of a layer's gradients, by "input", "parameter 0", "parameter 1".

    The loss is a random weighted sum of the outputs: its gradient by them is the weights.

    Args:
        layer: Of float64.
        x: float64, a batch it takes.
        rng: Draws the weights.
    """
    weights = rng.normal(size=layer.forward(x).shape)

    def loss() -> float:
        return float((weights * layer.forward(x)).sum())

    layer.forward(x)
    exact = {"input": layer.input_gradient(weights)}
    exact |= {f"parameter {i}": each for i, each in enumerate(layer.parameter_gradients(weights))}
    changed = dict(zip(exact, (x, *layer.parameters), strict=True))
    return {
        name: relative_error(gradient, central_differences(loss, changed[name]))
        for name, gradient in exact.items()
    }


def check_loss(loss: Loss, values: Array, targets: Any) -> float:
    """The relative error of a loss's gradient by its values, float64."""
    _, gradient = loss(values, targets)
    return relative_error(gradient, central_differences(lambda: loss(values, targets)[0], values))
