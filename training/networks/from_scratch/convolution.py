"""Convolution and max pooling: pictures stay pictures."""

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from training.networks.from_scratch.layers import Array, Layer


class Convolution(Layer):
    """y = x * w + b: every window of the picture meets the same weights.

    All windows are laid out as rows of one matrix (im2col: Chellapilla et al., 2006), which makes a
    convolution a matrix product. As everywhere in the field, the kernel is not flipped.
    """

    def __init__(self, weight: Array, bias: Array, padding: int = 0) -> None:
        """Weight (outputs, channels, side, side), bias (outputs,), padding with zeros in pixels."""
        super().__init__(weight, bias)
        self._padding = padding

    @staticmethod
    def random(
        channels: int,
        outputs: int,
        side: int,
        rng: np.random.Generator,
        dtype: npt.DTypeLike = float,
        padding: int = 0,
    ) -> "Convolution":
        """Weights from the normal distribution of He et al. (ICCV 2015), biases 0."""
        scale = np.sqrt(2 / (channels * side**2))
        weight = rng.normal(0, scale, (outputs, channels, side, side)).astype(dtype)
        return Convolution(weight, np.zeros(outputs, dtype), padding)

    def forward(self, x: Array) -> Array:
        """(N, channels, H, W) -> (N, outputs, H', W'), where H' = H + 2 padding - side + 1."""
        weight, bias = self.parameters
        around = self._padding
        x = np.pad(x, ((0, 0), (0, 0), (around, around), (around, around))) if around else x
        windows = sliding_window_view(x, weight.shape[2:], axis=(2, 3))
        count, _, height, width, *_ = windows.shape
        self._padded, self._size = x.shape, (height, width)
        self._columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(count * height * width, -1)
        y = self._columns @ weight.reshape(len(weight), -1).T + bias
        return y.reshape(count, height, width, -1).transpose(0, 3, 1, 2)

    def parameter_gradients(self, gradient: Array) -> list[Array]:
        """(N, outputs, H', W') -> the shapes of weight and bias."""
        rows = self._rows(gradient)
        return [(rows.T @ self._columns).reshape(self.parameters[0].shape), rows.sum(axis=0)]

    def input_gradient(self, gradient: Array) -> Array:
        """(N, outputs, H', W') -> (N, channels, H, W): a pixel collects from every window it was in."""
        weight, (height, width) = self.parameters[0], self._size
        outputs, channels, side, _ = weight.shape
        columns = (self._rows(gradient) @ weight.reshape(outputs, -1)).reshape(
            len(gradient), height, width, channels, side, side
        )
        x = np.zeros(self._padded, columns.dtype)
        for row in range(side):
            for column in range(side):
                window = columns[..., row, column].transpose(0, 3, 1, 2)
                x[:, :, row : row + height, column : column + width] += window
        inside = slice(self._padding, -self._padding or None)
        return x[:, :, inside, inside]

    @staticmethod
    def _rows(gradient: Array) -> Array:
        """(N, outputs, H', W') -> (N * H' * W', outputs), in the order of the columns."""
        return gradient.transpose(0, 2, 3, 1).reshape(-1, gradient.shape[1])


class MaxPool(Layer):
    """The largest of each square of pixels; what is left over at the right and below is not looked at."""

    def __init__(self, side: int = 2) -> None:
        super().__init__()
        self._side = side

    def forward(self, x: Array) -> Array:
        """(N, C, H, W) -> (N, C, H // side, W // side)."""
        self._shape = x.shape
        first, *others = (x[window] for window in self._windows())
        largest, self._winner = first, np.zeros(first.shape, np.int8)
        for number, pixels in enumerate(others, start=1):
            self._winner[pixels > largest] = number
            largest = np.maximum(largest, pixels)
        return largest

    def input_gradient(self, gradient: Array) -> Array:
        """(N, C, H // side, W // side) -> (N, C, H, W): all of it goes to the first of the largest pixels."""
        x = np.zeros(self._shape, gradient.dtype)
        for number, window in enumerate(self._windows()):
            x[window] = gradient * (self._winner == number)
        return x

    def _windows(self) -> list[tuple[slice, ...]]:
        """For each place in a square, the pixels that are there: slices of (N, C, H, W)."""
        side = self._side
        height, width = (length // side * side for length in self._shape[2:])
        every = slice(None)
        return [
            (every, every, slice(row, height, side), slice(column, width, side))
            for row in range(side)
            for column in range(side)
        ]
