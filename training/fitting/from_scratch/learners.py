"""The two rules by which a network learns in NumPy, each with the weights of a torch network of its shape."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from training.data.splits import DataError
from training.networks import architectures
from training.networks.from_scratch.activations import ReLU
from training.networks.from_scratch.layers import Array, Dropout, Flatten, Layer, Linear
from training.networks.from_scratch.losses import Classes, softmax_cross_entropy
from training.networks.from_scratch.network import Network
from training.networks.from_scratch.optimisers import Adam
from training.networks.from_scratch.templates import Templates
from training.recipe import Recipe


class Learner(Protocol):
    """Weights in NumPy, and the rule that changes them."""

    def learn(
        self, pictures: Array, classes: Classes, learning_rate: float, rng: np.random.Generator
    ) -> tuple[float, Array]:
        """One step: (the mean loss, the scores (N, K)) before it."""

    def scores(self, pictures: Array) -> Array:
        """Normalised pictures float32 (N, C, H, W) -> (N, K)."""

    def write_to(self, network: architectures.Network) -> None:
        """Copy the weights into a torch network of the same shape."""

    def state(self) -> dict[str, Any]:
        """All that changes, as tensors and numbers."""

    def load(self, state: dict[str, Any]) -> None:
        """Go on from what `state` returned."""


class TemplateRule:
    """The lectures' rule W += lr * E X^T for a network that is one linear layer."""

    def __init__(self, recipe: Recipe, network: architectures.Network) -> None:
        self._templates = Templates(*_weights(network.head))

    def learn(
        self, pictures: Array, classes: Classes, learning_rate: float, rng: np.random.Generator
    ) -> tuple[float, Array]:
        """One mini-batch."""
        return self._templates.learn(pictures.reshape(len(pictures), -1), classes, learning_rate)

    def scores(self, pictures: Array) -> Array:
        """Inner products of pictures and templates."""
        return self._templates.scores(pictures.reshape(len(pictures), -1))

    def write_to(self, network: architectures.Network) -> None:
        """The last column of W is the bias."""
        _copy([self._templates.W[:, :-1], self._templates.W[:, -1]], network)

    def state(self) -> dict[str, Any]:
        """W."""
        return {"W": torch.from_numpy(self._templates.W)}

    def load(self, state: dict[str, Any]) -> None:
        """W."""
        self._templates.W[:] = state["W"].numpy()


class Backpropagation:
    """Adam on the softmax cross entropy, for a network of layers that training/networks/from_scratch has."""

    def __init__(self, recipe: Recipe, network: architectures.Network) -> None:
        self._network = Network(*map(_layer, [*network.body.modules(), network.head]))
        self._optimiser = Adam(self._network.parameters, recipe.learning_rate, l2=recipe.weight_decay)

    def learn(
        self, pictures: Array, classes: Classes, learning_rate: float, rng: np.random.Generator
    ) -> tuple[float, Array]:
        """Forward, backward, one step of Adam."""
        for layer in self._network.layers:
            if isinstance(layer, Dropout):
                layer.rng = rng
        loss, scores = self._network.learn(pictures, classes, softmax_cross_entropy)
        self._optimiser.learning_rate = learning_rate
        self._optimiser.step(self._network.gradients)
        return loss, scores

    def scores(self, pictures: Array) -> Array:
        """Without dropout."""
        return self._network.forward(pictures)

    def write_to(self, network: architectures.Network) -> None:
        """Layer by layer."""
        _copy(self._network.parameters, network)

    def state(self) -> dict[str, Any]:
        """Parameters, Adam's memory, its count of steps."""
        lists = (self._network.parameters, *self._optimiser.memory)
        return {
            "arrays": [[torch.from_numpy(array) for array in arrays] for arrays in lists],
            "steps": self._optimiser.steps,
        }

    def load(self, state: dict[str, Any]) -> None:
        """In place: network and optimiser share the arrays."""
        lists = (self._network.parameters, *self._optimiser.memory)
        for arrays, tensors in zip(lists, state["arrays"], strict=True):
            for array, tensor in zip(arrays, tensors, strict=True):
                array[:] = tensor.numpy()
        self._optimiser.steps = state["steps"]


LEARNERS: dict[str, Callable[[Recipe, architectures.Network], Learner]] = {
    "templates": TemplateRule,
    "backpropagation": Backpropagation,
}
"""By `Recipe.by_hand`."""


def _layer(module: nn.Module) -> Layer:
    """The layer in NumPy with the weights of one of torch's."""
    match module:
        case nn.Sequential():
            return Layer()
        case nn.Flatten():
            return Flatten()
        case nn.Linear():
            return Linear(*_weights(module))
        case nn.ReLU():
            return ReLU()
        case nn.Dropout():
            return Dropout(module.p, np.random.default_rng())
    raise DataError(f"There is no gradient by hand for {module}: learn this network without `by_hand`.")


def _weights(linear: nn.Linear) -> tuple[Array, Array]:
    return linear.weight.detach().numpy().copy(), linear.bias.detach().numpy().copy()


@torch.no_grad()
def _copy(arrays: list[Array], network: architectures.Network) -> None:
    for parameter, array in zip(network.parameters(), arrays, strict=True):
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(array)))
