"""Layers: what a batch becomes, and what the loss's gradient becomes on its way back."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
"""float64 or float32; a layer answers in the type of its parameters and inputs."""


class Layer:
    """A differentiable function of a batch; this one changes nothing.

    Attributes:
        parameters: What training changes, in place.
        gradients: Of the loss by the parameters, after `Network.backward`; same shapes, same order.
        training: Whether the layer behaves as in training; only `Dropout` asks.
    """

    def __init__(self, *parameters: Array) -> None:
        self.parameters = list(parameters)
        self.gradients: list[Array] = []
        self.training = False

    def forward(self, x: Array) -> Array:
        """The output for a batch, which is remembered for the two derivatives."""
        return x

    def input_gradient(self, gradient: Array) -> Array:
        """The loss's gradient by the output of the last `forward` -> by its input."""
        return gradient

    def parameter_gradients(self, gradient: Array) -> list[Array]:
        """The loss's gradient by the output of the last `forward` -> by each of the parameters."""
        return []


class Linear(Layer):
    """y = x W^T + b."""

    def __init__(self, weight: Array, bias: Array) -> None:
        """Weight (outputs, inputs), as torch stores it, and bias (outputs,)."""
        super().__init__(weight, bias)

    @staticmethod
    def random(inputs: int, outputs: int, rng: np.random.Generator, dtype: npt.DTypeLike = float) -> "Linear":
        """Weights from the normal distribution of He et al. (ICCV 2015), biases 0."""
        weight = rng.normal(0, np.sqrt(2 / inputs), (outputs, inputs)).astype(dtype)
        return Linear(weight, np.zeros(outputs, dtype))

    def forward(self, x: Array) -> Array:
        """(N, inputs) -> (N, outputs)."""
        self._x = x
        weight, bias = self.parameters
        return x @ weight.T + bias

    def input_gradient(self, gradient: Array) -> Array:
        """(N, outputs) -> (N, inputs)."""
        return gradient @ self.parameters[0]

    def parameter_gradients(self, gradient: Array) -> list[Array]:
        """(N, outputs) -> (outputs, inputs) and (outputs,)."""
        return [gradient.T @ self._x, gradient.sum(axis=0)]


class Flatten(Layer):
    """Pictures as rows."""

    def forward(self, x: Array) -> Array:
        """(N, C, H, W) -> (N, C * H * W)."""
        self._shape = x.shape
        return x.reshape(len(x), -1)

    def input_gradient(self, gradient: Array) -> Array:
        """(N, C * H * W) -> (N, C, H, W)."""
        return gradient.reshape(self._shape)


class Dropout(Layer):
    """In training, a random part of the inputs is 0 and the others grow, so that the mean stays.

    Srivastava et al. (JMLR 2014).

    Attributes:
        rng: Draws the masks; whoever trains may replace it.
    """

    def __init__(self, rate: float, rng: np.random.Generator) -> None:
        """The rate is the part that is dropped, 0 to 1, without 1."""
        super().__init__()
        self._rate, self.rng = rate, rng

    def forward(self, x: Array) -> Array:
        """Any shape, which stays."""
        self._mask: Array | float = 1.0
        if self.training and self._rate > 0:
            kept = self.rng.random(x.shape, np.float32) >= self._rate
            self._mask = kept / x.dtype.type(1 - self._rate)
        return x * self._mask

    def input_gradient(self, gradient: Array) -> Array:
        """The shape of `forward`: what was dropped has no influence on the loss."""
        return gradient * self._mask
