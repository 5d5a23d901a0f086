"""The lectures' first two networks in NumPy, gradients by hand: to read, and as the tests' oracle.

A network is a list of layers; each knows `forward` and, given the gradient of the loss by its
output, `backward`. Everything is float64 and batch-first.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class Layer(Protocol):
    """parameters and gradients have the same shapes, in the same order."""

    parameters: list[Array]
    gradients: list[Array]

    def forward(self, x: Array) -> Array: ...

    def backward(self, gradient: Array) -> Array: ...


class Linear:
    """y = x W^T + b. weight: (outputs, inputs), as torch stores it. bias: (outputs,)."""

    def __init__(self, weight: Array, bias: Array) -> None:
        self.parameters = [weight, bias]
        self.gradients: list[Array] = []

    def forward(self, x: Array) -> Array:
        self._x = x
        weight, bias = self.parameters
        return x @ weight.T + bias

    def backward(self, gradient: Array) -> Array:
        self.gradients = [gradient.T @ self._x, gradient.sum(axis=0)]
        return gradient @ self.parameters[0]


class ReLU:
    """y = max(x, 0)."""

    def __init__(self) -> None:
        self.parameters: list[Array] = []
        self.gradients: list[Array] = []

    def forward(self, x: Array) -> Array:
        self._open = x > 0
        return x * self._open

    def backward(self, gradient: Array) -> Array:
        return gradient * self._open


def cross_entropy(logits: Array, classes: npt.NDArray[np.int64]) -> tuple[float, Array]:
    """The mean loss over the batch and its gradient by the logits (N, K): softmax minus one-hot."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(classes))
    gradient = np.exp(log_softmax)
    gradient[rows, classes] -= 1
    return float(-log_softmax[rows, classes].mean()), gradient / len(classes)


def l1(values: Array, truth: Array) -> tuple[float, Array]:
    """The mean absolute error and its gradient by the values (N,)."""
    gap = values - truth
    return float(np.abs(gap).mean()), np.sign(gap) / len(gap)


def forward(layers: list[Layer], x: Array) -> Array:
    for layer in layers:
        x = layer.forward(x)
    return x


def backward(layers: list[Layer], gradient: Array) -> None:
    """The chain rule: from the last layer to the first."""
    for layer in reversed(layers):
        gradient = layer.backward(gradient)


def descend(layers: list[Layer], learning_rate: float) -> None:
    """One step of stochastic gradient descent, in place."""
    for layer in layers:
        for parameter, gradient in zip(layer.parameters, layer.gradients, strict=True):
            parameter -= learning_rate * gradient
