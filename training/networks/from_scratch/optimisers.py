"""Optimisers: what a step does with a gradient, after L1 and L2 weight decay.

Each takes the same steps as the class of its name in torch.optim, with torch's defaults, and changes the
parameters in place.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from training.networks.from_scratch.layers import Array

TINY = 1e-8
"""Keeps a division by the root of no squared gradients finite."""


class Optimiser(ABC):
    """Follows the gradient; subclasses say in which direction.

    Attributes:
        learning_rate: Of the next step; a schedule may change it.
        memory: Arrays like the parameters that a step leaves for the next: `remembered` lists of them.
        steps: How many were made.
    """

    remembered = 0

    def __init__(
        self, parameters: Sequence[Array], learning_rate: float, l1: float = 0.0, l2: float = 0.0
    ) -> None:
        """Minimises loss + l1 * sum |w| + l2 / 2 * sum w^2 over all parameters w."""
        self._parameters, self.learning_rate, self._l1, self._l2 = parameters, learning_rate, l1, l2
        self.memory = [[np.zeros_like(each) for each in parameters] for _ in range(self.remembered)]
        self.steps = 0

    def step(self, gradients: Sequence[Array]) -> None:
        """Change every parameter; gradients have the shapes and the order of the parameters."""
        self.steps += 1
        for index, (parameter, gradient) in enumerate(zip(self._parameters, gradients, strict=True)):
            if self._l1 or self._l2:
                gradient = gradient + self._l1 * np.sign(parameter) + self._l2 * parameter
            parameter -= self.learning_rate * self._direction(
                gradient, *(kept[index] for kept in self.memory)
            )

    @abstractmethod
    def _direction(self, gradient: Array, *memory: Array) -> Array:
        """Where a gradient leads; `memory` is changed in place."""


class SGD(Optimiser):
    """w -= lr * g."""

    def _direction(self, gradient: Array, *memory: Array) -> Array:
        return gradient


class Momentum(Optimiser):
    """v = 0.9 v + g; w -= lr * v (Polyak, 1964)."""

    remembered = 1
    momentum = 0.9

    def _direction(self, gradient: Array, *memory: Array) -> Array:
        (velocity,) = memory
        velocity *= self.momentum
        velocity += gradient
        return velocity


class Adagrad(Optimiser):
    """s += g^2; w -= lr * g / sqrt(s) (Duchi et al., JMLR 2011)."""

    remembered = 1
    tiny = 1e-10

    def _direction(self, gradient: Array, *memory: Array) -> Array:
        (squares,) = memory
        squares += gradient**2
        return gradient / (np.sqrt(squares) + self.tiny)


class RMSprop(Optimiser):
    """s = 0.99 s + 0.01 g^2; w -= lr * g / sqrt(s) (Tieleman and Hinton, 2012)."""

    remembered = 1
    decay = 0.99

    def _direction(self, gradient: Array, *memory: Array) -> Array:
        (squares,) = memory
        squares *= self.decay
        squares += (1 - self.decay) * gradient**2
        return gradient / (np.sqrt(squares) + TINY)


class Adam(Optimiser):
    """m = 0.9 m + 0.1 g; s = 0.999 s + 0.001 g^2; w -= lr * m / sqrt(s), both without their bias to 0.

    Kingma et al. (ICLR 2015).
    """

    remembered = 2
    decays = 0.9, 0.999

    def _direction(self, gradient: Array, *memory: Array) -> Array:
        mean, squares = memory
        of_mean, of_squares = self.decays
        mean *= of_mean
        mean += (1 - of_mean) * gradient
        squares *= of_squares
        squares += (1 - of_squares) * gradient**2
        scale = np.sqrt(squares)
        scale /= math.sqrt(1 - of_squares**self.steps)
        scale += TINY
        return mean / scale / (1 - of_mean**self.steps)


def one_cycle(step: int, steps: int, peak: float, warm_up: float = 0.2) -> float:
    """The learning rate of a step, 0 to steps - 1: by cosines up to the peak and down to almost nothing.

    Smith and Topin (2019), with the constants of torch's OneCycleLR.
    """
    turn = max(warm_up * steps - 1, 1)
    start, end = peak / 25, peak / 25 / 1e4
    if step < turn:
        return _cosine(start, peak, step / turn)
    return _cosine(peak, end, (step - turn) / max(steps - 1 - turn, 1))


def _cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(fraction, 1.0))) / 2
