"""The runs of the lab `numpy`: gradients checked, the lectures' rule, optimisers, a CNN, pixels moved."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.course.workbench import Workbench
from training.data.splits import Examples
from training.networks.architectures import MNIST_MEAN, MNIST_STD
from training.networks.from_scratch import losses
from training.networks.from_scratch.activations import ELU, LeakyReLU, Maxout, ReLU, Sigmoid, Softmax, Tanh
from training.networks.from_scratch.convolution import Convolution, MaxPool
from training.networks.from_scratch.gradients import check_layer, check_loss
from training.networks.from_scratch.layers import Array, Flatten, Layer, Linear
from training.networks.from_scratch.losses import Classes, softmax_cross_entropy
from training.networks.from_scratch.network import Network, scores_in_parts
from training.networks.from_scratch.optimisers import (
    SGD,
    Adagrad,
    Adam,
    Momentum,
    Optimiser,
    RMSprop,
    one_cycle,
)
from training.networks.from_scratch.templates import Templates

OPTIMISERS: dict[str, tuple[type[Optimiser], float]] = {
    "SGD": (SGD, 0.1),
    "momentum": (Momentum, 0.03),
    "Adagrad": (Adagrad, 0.02),
    "RMSprop": (RMSprop, 0.002),
    "Adam": (Adam, 0.003),
}
"""With the learning rate of each, of the usual size for it."""


@dataclass(frozen=True)
class Pictures:
    """Normalised pictures, float32 (N, 1, 28, 28), and what they show, (N,)."""

    x: Array
    classes: Classes

    @staticmethod
    def of(examples: Examples) -> "Pictures":
        """As the networks of training/networks/architectures.py normalise them."""
        pixels = examples.pixels.astype(np.float32).transpose(0, 3, 1, 2) / 255
        return Pictures((pixels - MNIST_MEAN[0]) / MNIST_STD[0], examples.targets.astype(np.int64))

    def batches(self, size: int, epochs: int, rng: np.random.Generator) -> list[npt.NDArray[np.int64]]:
        """Indices of mini-batches, each epoch in an order of its own."""
        steps = len(self.x) // size
        return [
            index for _ in range(epochs)
            for index in rng.permutation(len(self.x))[: steps * size].reshape(steps, size)
        ]  # fmt: skip


def gradient_errors(rng: np.random.Generator) -> dict[str, float]:
    """The largest relative error of each layer's and each loss's gradients, float64."""
    rows, pictures = rng.normal(size=(8, 12)), rng.normal(size=(3, 2, 8, 8))
    layers: dict[str, tuple[Layer, Array]] = {
        "linear": (Linear.random(12, 5, rng), rows),
        "ReLU": (ReLU(), rows),
        "leaky ReLU": (LeakyReLU(), rows),
        "ELU": (ELU(), rows),
        "sigmoid": (Sigmoid(), rows),
        "tanh": (Tanh(), rows),
        "maxout": (Maxout(3), rows),
        "softmax": (Softmax(), rows),
        "convolution": (Convolution.random(2, 3, 3, rng, padding=1), pictures),
        "max pooling": (MaxPool(2), pictures),
    }
    errors = {name: max(check_layer(layer, x, rng).values()) for name, (layer, x) in layers.items()}
    classes, probabilities = rng.integers(0, 12, 8), Softmax().forward(rows)
    return errors | {
        "softmax cross entropy": check_loss(softmax_cross_entropy, rows, classes),
        "negative log likelihood": check_loss(losses.negative_log_likelihood, probabilities, classes),
        "binary cross entropy": check_loss(losses.binary_cross_entropy, rows, rng.random(rows.shape)),
        "squared error": check_loss(losses.squared_error, rows, rng.normal(size=rows.shape)),
        "absolute error": check_loss(losses.absolute_error, rows, rng.normal(size=rows.shape)),
    }


def small_cnn(rng: np.random.Generator) -> Network:
    """Two convolutions of 5x5, each with ReLU and pooling, 28 -> 12 -> 4 pixels, then linear; float32."""
    single = np.float32
    return Network(
        Convolution.random(1, 8, 5, rng, single), ReLU(), MaxPool(2),
        Convolution.random(8, 16, 5, rng, single), ReLU(), MaxPool(2),
        Flatten(), Linear.random(16 * 4 * 4, 10, rng, single),
    )  # fmt: skip


def learn(
    network: Network,
    optimiser: Optimiser,
    train: Pictures,
    batches: Iterable[npt.NDArray[np.int64]],
    cycle: int = 0,
) -> list[float]:
    """One step for each mini-batch; the loss before each.

    Args:
        network: Changed in place.
        optimiser: Of its parameters.
        train: The pictures.
        batches: Indices into them.
        cycle: The number of steps of a one-cycle schedule up to the optimiser's learning rate; 0 for none.
    """
    peak, course = optimiser.learning_rate, []
    for step, index in enumerate(batches):
        if cycle:
            optimiser.learning_rate = one_cycle(step, cycle, peak)
        loss, _ = network.learn(train.x[index], train.classes[index], softmax_cross_entropy)
        optimiser.step(network.gradients)
        course.append(loss)
    return course


def accuracy(network: Network, pictures: Pictures) -> float:
    """The share of pictures whose largest score is that of their class."""
    scores = np.concatenate(scores_in_parts(network, pictures.x))
    return float((scores.argmax(axis=1) == pictures.classes).mean())


def pixel_gradients(network: Network, pictures: Pictures) -> Array:
    """The slope of each picture's own loss by its pixels, (N, 1, 28, 28)."""
    _, gradient = softmax_cross_entropy(network.forward(pictures.x), pictures.classes)
    return network.input_gradient(gradient) * len(pictures.x)


def along_the_gradient(network: Network, pictures: Pictures, step: float) -> Pictures:
    """Each pixel moved a step to where the loss rises (Goodfellow et al., ICLR 2015), black to white.

    Args:
        network: That is fooled.
        pictures: What it is shown.
        step: In units of [0, 1].
    """
    moved = pictures.x + step / MNIST_STD[0] * np.sign(pixel_gradients(network, pictures))
    black, white = (0 - MNIST_MEAN[0]) / MNIST_STD[0], (1 - MNIST_MEAN[0]) / MNIST_STD[0]
    return Pictures(moved.clip(black, white).astype(np.float32), pictures.classes)


def linear_rule(workbench: Workbench, train: Pictures, test: Pictures) -> list[tuple[float, float]]:
    """(Training loss, test accuracy) after each epoch of W += lr * E X^T on mini-batches of 200."""
    rng = np.random.default_rng(0)
    templates = Templates(rng.normal(0, 0.01, (10, 784)).astype(np.float32), np.zeros(10, np.float32))
    flat, course = train.x.reshape(len(train.x), -1), []
    for _ in workbench.track(range(workbench.size(8, 4)), "the lectures' rule"):
        batches = train.batches(200, 1, rng)
        steps = [templates.learn(flat[index], train.classes[index], 3e-4)[0] for index in batches]
        right = templates.scores(test.x.reshape(len(test.x), -1)).argmax(axis=1) == test.classes
        course.append((float(np.mean(steps)), float(right.mean())))
    return course


def optimiser_courses(workbench: Workbench, train: Pictures) -> dict[str, list[float]]:
    """The loss at each step of the same small MLP, from the same weights on the same batches."""
    flat, courses = Pictures(train.x.reshape(len(train.x), -1), train.classes), {}
    for name, (kind, rate) in workbench.track(OPTIMISERS.items(), "optimisers", len(OPTIMISERS)):
        rng = np.random.default_rng(0)
        mlp = Network(Linear.random(784, 64, rng, np.float32), ReLU(), Linear.random(64, 10, rng, np.float32))
        batches = flat.batches(200, 1, rng)
        courses[name] = learn(mlp, kind(mlp.parameters, rate), flat, batches)
    return courses
