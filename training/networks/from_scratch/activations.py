"""Activations: what makes two layers more than one. None has parameters, each keeps what its slope needs."""

import numpy as np

from training.networks.from_scratch.layers import Array, Layer


class ReLU(Layer):
    """y = max(x, 0)."""

    def forward(self, x: Array) -> Array:
        """Any shape, which stays."""
        self._positive = x > 0
        return x * self._positive

    def input_gradient(self, gradient: Array) -> Array:
        """dy/dx is 1 where x is positive, else 0."""
        return gradient * self._positive


class LeakyReLU(Layer):
    """y = x where x is positive, else slope * x: no unit is ever without a gradient (Maas et al., 2013)."""

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__()
        self._slope = slope

    def forward(self, x: Array) -> Array:
        """Any shape, which stays."""
        self._slopes = np.where(x > 0, x.dtype.type(1), x.dtype.type(self._slope))
        return x * self._slopes

    def input_gradient(self, gradient: Array) -> Array:
        """dy/dx is 1 where x is positive, else the slope."""
        return gradient * self._slopes


class ELU(Layer):
    """y = x where x is positive, else scale * (exp(x) - 1) (Clevert et al., ICLR 2016)."""

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self._scale = scale

    def forward(self, x: Array) -> Array:
        """Any shape, which stays."""
        below = self._scale * np.expm1(np.minimum(x, 0))
        self._slopes = np.where(x > 0, x.dtype.type(1), below + self._scale)
        return np.where(x > 0, x, below)

    def input_gradient(self, gradient: Array) -> Array:
        """dy/dx is 1 where x is positive, else scale * exp(x), which is y + scale."""
        return gradient * self._slopes


class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x))."""

    def forward(self, x: Array) -> Array:
        """Any shape, which stays."""
        self._y = sigmoid(x)
        return self._y

    def input_gradient(self, gradient: Array) -> Array:
        """dy/dx = y (1 - y), a quarter at most."""
        return gradient * self._y * (1 - self._y)


class Tanh(Layer):
    """y = tanh(x)."""

    def forward(self, x: Array) -> Array:
        """Any shape, which stays."""
        self._y = np.tanh(x)
        return self._y

    def input_gradient(self, gradient: Array) -> Array:
        """dy/dx = 1 - y^2."""
        return gradient * (1 - self._y**2)


class Maxout(Layer):
    """Each unit is the largest of a few linear ones before it (Goodfellow et al., ICML 2013)."""

    def __init__(self, pieces: int) -> None:
        super().__init__()
        self._pieces = pieces

    def forward(self, x: Array) -> Array:
        """(N, units * pieces) -> (N, units); the pieces of a unit are neighbours."""
        groups = x.reshape(len(x), -1, self._pieces)
        self._shape, self._winner = groups.shape, groups.argmax(axis=2)[..., None]
        return np.take_along_axis(groups, self._winner, axis=2)[..., 0]

    def input_gradient(self, gradient: Array) -> Array:
        """(N, units) -> (N, units * pieces): all of it goes to the largest piece."""
        groups = np.zeros(self._shape, gradient.dtype)
        np.put_along_axis(groups, self._winner, gradient[..., None], axis=2)
        return groups.reshape(len(gradient), -1)


class Softmax(Layer):
    """y_k = exp(x_k) / sum_j exp(x_j): scores become probabilities."""

    def forward(self, x: Array) -> Array:
        """(N, K) -> (N, K), rows sum to 1."""
        self._y = np.exp(log_softmax(x))
        return self._y

    def input_gradient(self, gradient: Array) -> Array:
        """The Jacobian is diag(y) - y y^T; its product with the gradient needs no matrix."""
        mean = (gradient * self._y).sum(axis=1, keepdims=True)
        return self._y * (gradient - mean)


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) without an overflow at either end."""
    return (1 + np.tanh(x / 2)) / 2


def log_softmax(scores: Array) -> Array:
    """Logarithms of the probabilities, (N, K); the largest score is taken off first, so nothing overflows."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
