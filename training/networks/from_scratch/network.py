"""A network: layers in a row, and the chain rule through them."""

from collections.abc import Sequence
from typing import Any

from training.networks.from_scratch.layers import Array, Layer
from training.networks.from_scratch.losses import Loss


class Network:
    """Layers, the first one first.

    Attributes:
        layers: Each takes what the one before it returns.
    """

    def __init__(self, *layers: Layer) -> None:
        self.layers = layers

    @property
    def parameters(self) -> list[Array]:
        """Of all layers, in their order."""
        return [parameter for layer in self.layers for parameter in layer.parameters]

    @property
    def gradients(self) -> list[Array]:
        """Of the loss by the parameters, in the same order, after `backward`."""
        return [gradient for layer in self.layers for gradient in layer.gradients]

    def forward(self, x: Array, training: bool = False) -> Array:
        """A batch -> the output of the last layer.

        Args:
            x: What the first layer takes.
            training: Whether dropout drops.
        """
        for layer in self.layers:
            layer.training = training
            x = layer.forward(x)
        return x

    def backward(self, gradient: Array) -> None:
        """Set the gradients of all layers by the chain rule, from the last to the first.

        Args:
            gradient: Of the loss by the output of the last `forward`.
        """
        for index in reversed(range(len(self.layers))):
            layer = self.layers[index]
            layer.gradients = layer.parameter_gradients(gradient)
            # Nobody asks for the loss's slope by the pixels in training: it would cost as much as a layer.
            gradient = layer.input_gradient(gradient) if index else gradient

    def input_gradient(self, gradient: Array) -> Array:
        """The loss's gradient by the output of the last `forward` -> by the batch itself."""
        for layer in reversed(self.layers):
            gradient = layer.input_gradient(gradient)
        return gradient

    def learn(self, x: Array, targets: Any, loss: Loss) -> tuple[float, Array]:
        """Forward, loss, backward: (the mean loss, the outputs); the gradients then wait for an optimiser."""
        outputs = self.forward(x, training=True)
        value, gradient = loss(outputs, targets)
        self.backward(gradient)
        return value, outputs


def scores_in_parts(network: Network, x: Array, size: int = 1000) -> Sequence[Array]:
    """The outputs for many pictures, `size` at a time: windows of a convolution take memory."""
    return [network.forward(x[start : start + size]) for start in range(0, len(x), size)]
