"""One neuron on the four points of a truth table: what it decides, why that is not XOR, how it learns."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import linprog
from torch import Tensor
from torch.nn import functional as F

Array = npt.NDArray[np.float64]

POINTS: Array = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
GATES = {"AND": (0, 0, 0, 1), "OR": (0, 1, 1, 1), "XOR": (0, 1, 1, 0)}
"""The truth of each of POINTS."""

LECTURE_AND = (-30.0, 20.0, 20.0)
"""The lectures' weights (b, w1, w2)."""


def step(z: Array) -> Array:
    """1 where z is positive: Rosenblatt's perceptron."""
    return (z > 0).astype(float)


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(-z)), written so that nothing overflows."""
    return (1 + np.tanh(z / 2)) / 2


def relu(z: Array) -> Array:
    """max(z, 0)."""
    return np.maximum(z, 0.0)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "step": step,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "ReLU": relu,
}

THRESHOLDS = {"step": 0.5, "sigmoid": 0.5, "tanh": 0.0, "ReLU": 0.0}
"""An output above it means yes. All four are those of z = 0: none of them changes the decision."""


def with_one(points: Array) -> Array:
    """(N, D) -> (N, D + 1): the input 1 of the bias in front."""
    return np.column_stack([np.ones(len(points)), points])


def neuron(weights: Array, points: Array, activation: Callable[[Array], Array] = step) -> Array:
    """f(b + w x) of points (N, D), for weights (b, w1, ..., wD)."""
    return activation(with_one(points) @ weights)


def separating_weights(targets: tuple[int, ...]) -> Array | None:
    """A neuron that decides POINTS as the targets say, or None: there is none.

    Weights w separate if s z >= 1 at all points, s = +1 or -1 by the target, z = b + w x. These are four
    linear inequalities for three unknowns; whether they can be met is a linear programme.
    """
    result = linprog(np.zeros(3), A_ub=-_signed(targets), b_ub=-np.ones(4), bounds=(None, None))
    return result.x if result.success else None


def contradiction(targets: tuple[int, ...]) -> Array | None:
    """Shares (4,) of the four inequalities whose sum is 0 >= 1, or None: there are none.

    Exactly one of this and `separating_weights` exists (Gordan, Mathematische Annalen 1873).
    """
    signed = _signed(targets)
    sums = np.vstack([signed.T, np.ones(4)])
    result = linprog(np.zeros(4), A_eq=sums, b_eq=np.array([0.0, 0.0, 0.0, 1.0]))
    return result.x if result.success else None


def _signed(targets: tuple[int, ...]) -> Array:
    signs = 2 * np.array(targets) - 1
    return signs[:, None] * with_one(POINTS)


def best_of_grid(targets: tuple[int, ...], reach: float = 10.0, ticks: int = 41) -> tuple[int, int]:
    """The most points right of any neuron with weights on a grid, and how many neurons that are."""
    axis = np.linspace(-reach, reach, ticks)
    weights = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    right = ((weights @ with_one(POINTS).T > 0) == np.array(targets, bool)).sum(axis=1)
    return int(right.max()), len(weights)


def learn(
    points: Array,
    targets: Array,
    activation: Callable[[Array], Array],
    *,
    rate: float = 1.0,
    epochs: int = 100,
    batch: int = 1,
    start: Array | None = None,
    rng: np.random.Generator | None = None,
) -> Array:
    """Learn by w += rate * mean of (t - y) x over the batch.

    With the step this is Rosenblatt's perceptron rule (Psychological Review 1958); with the sigmoid it is
    gradient descent on the cross entropy, so logistic regression. Nothing else differs.

    Args:
        points: (N, D).
        targets: 0 or 1, (N,).
        activation: What makes y of z.
        rate: The learning rate.
        epochs: Passes over the points.
        batch: Points in one update.
        start: The first weights (D + 1,); without them they are 0.
        rng: Shuffles the points for each epoch; without it they keep their order.

    Returns:
        The weights (epochs + 1, D + 1) before the first and after each epoch.
    """
    inputs = with_one(points)
    weights = np.zeros(inputs.shape[1]) if start is None else start
    history = [weights]
    for _ in range(epochs):
        order = np.arange(len(points)) if rng is None else rng.permutation(len(points))
        for first in range(0, len(points), batch):
            rows = order[first : first + batch]
            errors = targets[rows] - activation(inputs[rows] @ weights)
            weights = weights + rate * errors @ inputs[rows] / len(rows)
        history.append(weights)
    return np.array(history)


def mean_cross_entropy(weights: Array, points: Array, targets: Array) -> float:
    """Of a sigmoid neuron, in nats."""
    z = with_one(points) @ weights
    return float(np.mean(np.logaddexp(0, z) - targets * z))


def xor_by_hand(points: Array) -> Array:
    """Two layers of sigmoids in the lectures' manner: (x1 OR x2) AND NOT (x1 AND x2)."""
    either = neuron(np.array([-10.0, 20.0, 20.0]), points, sigmoid)
    both = neuron(np.array(LECTURE_AND), points, sigmoid)
    return neuron(np.array([-10.0, 20.0, -20.0]), np.column_stack([either, both]), sigmoid)


def learn_xor(hidden: int, starts: int, steps: int, seed: int = 0) -> tuple[float, list[Tensor]]:
    """Two layers, tanh and sigmoid, by gradient descent from many random weights at once.

    Returns:
        The share of the starts that got all four points right, and the parameters of the first that did (or
        of the first start): weights and biases (2, hidden), (1, hidden), (hidden, 1), (1, 1).
    """
    generator = torch.Generator().manual_seed(seed)
    shapes = (2, hidden), (1, hidden), (hidden, 1), (1, 1)
    parameters = [torch.randn((starts, *shape), generator=generator, requires_grad=True) for shape in shapes]
    optimizer = torch.optim.SGD(parameters, lr=0.5)
    x = torch.tensor(POINTS, dtype=torch.float32)
    t = torch.tensor(GATES["XOR"], dtype=torch.float32).expand(starts, 4)
    for _ in range(steps):
        optimizer.zero_grad()
        # Summed over the starts: each of them sees the gradient of its own loss alone.
        loss = F.binary_cross_entropy_with_logits(two_layers(parameters, x), t, reduction="sum") / 4
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        solved = ((two_layers(parameters, x) > 0) == (t > 0)).all(dim=1)
    first = int(solved.float().argmax())
    return solved.float().mean().item(), [parameter.detach()[first] for parameter in parameters]


def two_layers(parameters: list[Tensor], x: Tensor) -> Tensor:
    """Logits (..., N) of points (N, 2)."""
    w1, b1, w2, b2 = parameters
    return (torch.tanh(x @ w1 + b1) @ w2 + b2).squeeze(-1)
