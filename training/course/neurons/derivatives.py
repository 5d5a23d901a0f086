"""What the lab graph asks of derivatives: of a neuron, of a layer, of a loss, of a served network."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import numpy_helper
from torch.nn import functional as F

from models.image.views import DigitView
from models.model import ZOO
from training.course.neurons.autograd import Value, gradient, hessian, jacobian, topological_order
from training.data.mnist import mnist

Array = npt.NDArray[np.float64]

WEIGHTS, LECTURE_WEIGHTS = (-0.5, 1.5, -0.2), (-30.0, 20.0, 20.0)
"""b, w1, w2 of a neuron that still learns, and of the lectures' AND, which has made up its mind."""

INPUTS = np.array([-2.0, -1.0, 0.5, 1.0, 2.0])
TARGETS = 1.5 * np.tanh(0.8 * INPUTS)
"""What the two-weight network is to learn."""

MINIMUM, SADDLE = (0.8, 1.5), (0.0, 0.0)
"""Of its loss; (-0.8, -1.5) is a minimum too."""


def product(x: Value, y: Value, z: Value) -> Value:
    """The lectures' first graph, f = (x + y) z."""
    return (x + y) * z


def neuron_loss(weights: Sequence[Value]) -> Value:
    """(sigmoid(w1 x1 + w2 x2 + b) - t)^2 for weights (b, w1, w2), inputs (1, 1) and the target t = 0."""
    b, w1, w2 = weights
    output = (w1 * Value(1.0, "x₁") + w2 * Value(1.0, "x₂") + b).sigmoid()
    return (output + Value(0.0, "-t")) ** 2


def two_weight_loss(w1: Value, w2: Value) -> Value:
    """The mean of (w2 tanh(w1 x) - t)^2: a network of two layers with one unit and one weight each."""
    pairs = zip(INPUTS, TARGETS, strict=True)
    return sum(((w2 * (w1 * x).tanh() - t) ** 2 for x, t in pairs), Value(0.0)) / len(INPUTS)


def cross_entropy(scores: Sequence[Value], label: int) -> Value:
    """Log sum exp(scores) - scores[label]."""
    return sum((score.exp() for score in scores), Value(0.0)).log() - scores[label]


def central_difference(f: Callable[[float], float], x: float, step: float) -> float:
    """(f(x + h) - f(x - h)) / 2h, with an error of the order of h^2."""
    return (f(x + step) - f(x - step)) / (2 * step)


def forward_difference(f: Callable[[float], float], x: float, step: float) -> float:
    """(f(x + h) - f(x)) / h, with an error of the order of h."""
    return (f(x + step) - f(x)) / step


def served_linear() -> tuple[Array, Array, float, float]:
    """Of models/zoo/digits-linear: weights (10, 784), biases (10,), the pixels' mean and deviation."""
    initializers = onnx.load(str(ZOO / "digits-linear.onnx")).graph.initializer
    tensors = {tensor.name: numpy_helper.to_array(tensor).astype(np.float64) for tensor in initializers}
    weight, bias = tensors["network.head.weight"], tensors["network.head.bias"]
    return weight, bias, tensors["network.mean"].item(), tensors["network.std"].item()


def digit_gradients(data: Path) -> tuple[float, int, int]:
    """One walk back through digits-linear for one test digit, number by number.

    Returns:
        The largest difference from torch's derivatives relative to the largest of them, how many derivatives
        there are, and how many values the graph has.
    """
    weight, bias, mean, std = served_linear()
    test = mnist(data).test
    pixels = DigitView()(np.repeat(test.pixels[0], 3, axis=2))
    x, label = (pixels.reshape(-1) / 255 - mean) / std, int(test.targets[0])

    rows = [[Value(w) for w in row] for row in weight]
    biases = [Value(b) for b in bias]
    scores = [
        sum((w * float(pixel) for w, pixel in zip(row, x, strict=True)), b)
        for row, b in zip(rows, biases, strict=True)
    ]
    loss = cross_entropy(scores, label)
    parameters = [w for row in rows for w in row] + biases
    ours = np.array([derivative.data for derivative in gradient(loss, parameters)])

    tensors = [torch.tensor(array, requires_grad=True) for array in (weight, bias)]
    torch_loss = F.cross_entropy(tensors[0] @ torch.tensor(x) + tensors[1], torch.tensor(label))
    theirs = np.concatenate([g.numpy().reshape(-1) for g in torch.autograd.grad(torch_loss, tensors)])
    difference = np.abs(ours - theirs).max() / np.abs(theirs).max()
    return float(difference), len(parameters), len(topological_order(loss))


def difference_errors(steps: Array) -> dict[str, Array]:
    """How wrong the numerical derivative of the neuron's loss by w1 is, relatively, at each step size."""
    b, w1, w2 = WEIGHTS

    def loss(w1: float) -> float:
        return neuron_loss(values(b, w1, w2)).data

    exact = weight_gradient(WEIGHTS)[1]
    rules = {"forward difference": forward_difference, "central difference": central_difference}
    return {
        name: np.array([abs(rule(loss, w1, step) / exact - 1) for step in steps])
        for name, rule in rules.items()
    }


def values(*numbers: float) -> list[Value]:
    """Inputs of a graph."""
    return [Value(number) for number in numbers]


def weight_gradient(weights: Sequence[float]) -> list[float]:
    """The derivatives of the neuron's loss by (b, w1, w2)."""
    inputs = values(*weights)
    return [derivative.data for derivative in gradient(neuron_loss(inputs), inputs)]


def layer_jacobian() -> tuple[list[list[float]], float]:
    """The Jacobian (2, 3) of the layer tanh(W x + b), and its distance from diag(1 - y^2) W."""
    weight, bias = np.array([[0.5, -1.0, 0.25], [1.5, 0.5, -0.5]]), np.array([0.1, -0.2])
    inputs = [Value(x) for x in (1.0, 0.5, -1.0)]
    outputs = [
        sum((float(w) * x for w, x in zip(row, inputs, strict=True)), Value(float(b))).tanh()
        for row, b in zip(weight, bias, strict=True)
    ]
    ours = jacobian(outputs, inputs)
    by_hand = np.diag([1 - y.data**2 for y in outputs]) @ weight
    return ours, float(np.abs(ours - by_hand).max())


def hessian_at(w1: float, w2: float) -> Array:
    """The 2 x 2 second derivatives of the two-weight loss."""
    weights = Value(w1), Value(w2)
    return np.array(hessian(two_weight_loss(*weights), weights))


def descend(start: tuple[float, float], learning_rate: float, steps: int) -> tuple[Array, Array]:
    """Gradient descent on the two-weight loss.

    Returns:
        The weights (steps + 1, 2) and the losses (steps + 1,).
    """
    path, losses = [np.array(start)], []
    for _ in range(steps + 1):
        weights = [Value(float(w)) for w in path[-1]]
        loss = two_weight_loss(*weights)
        losses.append(loss.data)
        path.append(path[-1] - learning_rate * np.array([g.data for g in gradient(loss, weights)]))
    return np.array(path[:-1]), np.array(losses)
