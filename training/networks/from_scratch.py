"""The lectures' first two networks in NumPy, with hand-written gradients.

The tests compare torch with them. A network is a list of layers, each with `forward` and, given the
gradient of the loss by its output, `backward`. Everything is float64 and batch-first.
"""

from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


class Layer(Protocol):
    """A differentiable function of a batch.

    Attributes:
        parameters: What training changes.
        gradients: Of the loss by the parameters, with the same shapes in the same order.
    """

    parameters: list[Array]
    gradients: list[Array]

    def forward(self, x: Array) -> Array:
        """(N, inputs) -> (N, outputs)."""

    def backward(self, gradient: Array) -> Array:
        """The loss's gradient by the output of the last `forward` -> by its input."""


class Linear:
    """y = x W^T + b."""

    def __init__(self, weight: Array, bias: Array) -> None:
        """Weight (outputs, inputs), as torch stores it, and bias (outputs,)."""
        self.parameters = [weight, bias]
        self.gradients: list[Array] = []

    def forward(self, x: Array) -> Array:
        """(N, inputs) -> (N, outputs)."""
        self._x = x
        weight, bias = self.parameters
        return x @ weight.T + bias

    def backward(self, gradient: Array) -> Array:
        """(N, outputs) -> (N, inputs)."""
        self.gradients = [gradient.T @ self._x, gradient.sum(axis=0)]
        return gradient @ self.parameters[0]


class ReLU:
    """y = max(x, 0)."""

    def __init__(self) -> None:
        self.parameters: list[Array] = []
        self.gradients: list[Array] = []

    def forward(self, x: Array) -> Array:
        """Any shape, which stays."""
        self._positive = x > 0
        return x * self._positive

    def backward(self, gradient: Array) -> Array:
        """The shape of `forward`."""
        return gradient * self._positive


def cross_entropy(logits: Array, classes: npt.NDArray[np.int64]) -> tuple[float, Array]:
    """The mean loss and its gradient by the logits (N, K)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(classes))
    gradient = np.exp(log_softmax)  # of one loss: softmax minus one-hot
    gradient[rows, classes] -= 1
    return float(-log_softmax[rows, classes].mean()), gradient / len(classes)


def l1(values: Array, targets: Array) -> tuple[float, Array]:
    """The mean absolute error and its gradient by the values (N,)."""
    errors = values - targets
    return float(np.abs(errors).mean()), np.sign(errors) / len(errors)


def forward(layers: list[Layer], x: Array) -> Array:
    """The output of the last layer."""
    for layer in layers:
        x = layer.forward(x)
    return x


def backward(layers: list[Layer], gradient: Array) -> None:
    """Set the gradients of all layers by the chain rule, from the last to the first."""
    for layer in reversed(layers):
        gradient = layer.backward(gradient)


def descend(layers: list[Layer], learning_rate: float) -> None:
    """One step of stochastic gradient descent, in place."""
    for layer in layers:
        for parameter, gradient in zip(layer.parameters, layer.gradients, strict=True):
            parameter -= learning_rate * gradient
