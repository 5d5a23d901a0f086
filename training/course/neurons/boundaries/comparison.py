"""The perceptron rule beside logistic regression: on clouds of points, and on two kinds of digits."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.course.neurons.boundaries.gates import Array, learn, sigmoid, step, with_one
from training.course.neurons.boundaries.plots import Section
from training.course.workbench import BLUE, LIGHT_BLUE, ORANGE, RED, Workbench
from training.data.mnist import mnist
from training.data.splits import Examples

RULES = {"perceptron": (step, 1.0), "logistic regression": (sigmoid, 0.03)}
"""Activation and learning rate. From w = 0 the perceptron decides alike with any rate."""

COLOURS = {"perceptron": ORANGE, "logistic regression": BLUE}
DIGITS = (3, 5)
CLOUD = 60
"""Points of each of two clouds."""


def clouds(distance: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Two round clouds with standard deviation 1, and which of them each point is of."""
    targets = np.repeat([0.0, 1.0], CLOUD)
    shift = (targets - 0.5)[:, None] * distance / np.sqrt(2)
    return rng.normal(0, 1, (len(targets), 2)) + shift, targets


def mistakes(history: Array, points: Array, targets: Array) -> Array:
    """How many points are wrong after each epoch."""
    return ((with_one(points) @ history.T > 0) != targets[:, None]).sum(axis=0).astype(float)


def compare_on_clouds(seed: int = 4) -> tuple[Figure, dict[str, float]]:
    """Both rules on clouds apart from each other and on clouds that overlap.

    Returns:
        The figure, and the mean and spread of the mistakes of the last 50 epochs on the overlapping clouds.
    """
    figure, (apart, overlap, curves) = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    rng = np.random.default_rng(seed)
    values: dict[str, float] = {}
    for axes, distance, title in ((apart, 6.0, "separable"), (overlap, 2.5, "overlapping")):
        points, targets = clouds(distance, rng)
        axes.scatter(*points.T, c=np.where(targets, BLUE, RED), s=10, alpha=0.6)
        for name, (activation, rate) in RULES.items():
            for order in range(5):
                shuffled = np.random.default_rng(order)
                history = learn(points, targets, activation, rate=rate, epochs=100, rng=shuffled)
                _line(axes, history[-1], COLOURS[name], name if order == 0 else None)
                if axes is overlap and order == 0:
                    wrong = mistakes(history, points, targets)[1:]
                    curves.plot(wrong, color=COLOURS[name], label=name)
                    key = name.split()[0]
                    values |= {f"{key}_mistakes": wrong[50:].mean(), f"{key}_spread": wrong[50:].std()}
        limit = np.abs(points).max()
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), title=f"{title}, five orders", aspect="equal")
    curves.set(xlabel="epoch", ylabel=f"mistakes of {2 * CLOUD}", title="overlapping", ylim=(0, None))
    apart.legend(loc="lower right", fontsize=8)
    curves.legend()
    return figure, values


def _line(axes: Axes, weights: Array, colour: str, label: str | None) -> None:
    b, w1, w2 = weights
    x = np.array([-10.0, 10.0])
    axes.plot(x, -(b + w1 * x) / w2, color=colour, linewidth=1, label=label)


def compare_on_digits(data: Path, count: int, epochs: int) -> Mapping[str, Array]:
    """The share of test digits 3 and 5 that each rule gets right, after each epoch.

    Args:
        data: Where MNIST is.
        count: Training digits, of which about a fifth are 3 or 5.
        epochs: Passes over them.
    """
    digits = mnist(data)
    points, targets = _pair(digits.train[:count])
    test_points, test_targets = _pair(digits.test)
    shares = {}
    for name, (activation, rate) in RULES.items():
        rng = np.random.default_rng(0)
        history = learn(points, targets, activation, rate=rate, epochs=epochs, rng=rng)
        shares[name] = 1 - mistakes(history[1:], test_points, test_targets) / len(test_targets)
    return shares


def _pair(part: Examples) -> tuple[Array, Array]:
    chosen = part[np.isin(part.targets, DIGITS)]
    return chosen.pixels.reshape(len(chosen), -1) / 255, (chosen.targets == DIGITS[1]).astype(float)


def digits_figure(shares: Mapping[str, Array]) -> Figure:
    """Accuracy on test digits against the epochs."""
    figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
    for name, share in shares.items():
        axes.plot(np.arange(1, len(share) + 1), 100 * share, "o-", color=COLOURS[name], label=name)
    axes.set(xlabel="epoch", ylabel="test digits right, %", title=f"{DIGITS[0]} or {DIGITS[1]}, one neuron")
    axes.grid(alpha=0.3, color=LIGHT_BLUE)
    axes.legend()
    return figure


def section(workbench: Workbench) -> Section:
    """Both rules on clouds and on digits."""
    digits = compare_on_digits(workbench.data, workbench.size(54_000, 3_000), 10)
    rule, regression = digits.values()
    clouds, cloud_values = compare_on_clouds()
    values = cloud_values | {
        "digits_perceptron": rule.mean(),
        "digits_perceptron_spread": rule.std(),
        "digits_logistic": regression.mean(),
        "digits_logistic_spread": regression.std(),
    }
    return Section(
        [
            "## The perceptron rule beside logistic regression",
            workbench.save(
                clouds,
                "rules",
                "Lines of both rules on separable and on overlapping clouds, and their mistakes by epoch.",
            ),
            "Where a line can separate two clouds, the perceptron stops at the first one it meets; shuffled"
            " five times, it finds five. Logistic regression goes on to move it away from the points, to"
            " nearly the same place each time. Where the clouds overlap, the perceptron never stops:"
            f" {cloud_values['perceptron_mistakes']:.1f} mistakes on average, give or take"
            f" {cloud_values['perceptron_spread']:.1f}, against {cloud_values['logistic_mistakes']:.1f} give"
            f" or take {cloud_values['logistic_spread']:.1f}.",
            workbench.save(
                digits_figure(digits),
                "digits",
                "Test accuracy of both rules on digits 3 and 5 against the epochs.",
            ),
            "With 784 pixels instead of two inputs it is the same. Told to tell 3 from 5, the perceptron"
            f" gets {rule.mean():.1%} of the test digits right, give or take {100 * rule.std():.1f} points"
            f" from epoch to epoch, logistic regression {regression.mean():.1%}, give or take"
            f" {100 * regression.std():.1f}. A point that is only just wrong moves the perceptron as far as"
            " one that is very wrong; the sigmoid's error shrinks with the distance to the line, so"
            " logistic regression comes nearly to rest. (The perceptron's learning rate changes nothing:"
            " from w = 0 it only scales the weights.)",
        ],
        values,
    )
