"""The pictures of the lab `numpy`."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np

from training.course.page import Picture
from training.course.workbench import BLUE, GREEN, GREY, LIGHT_BLUE, ORANGE, RED, Workbench
from training.networks.from_scratch.layers import Array
from training.networks.from_scratch.network import Network

if TYPE_CHECKING:
    from training.course.by_hand.runs import Pictures

SMOOTHED = 10
"""Steps of which a curve shows the mean."""


def rule(workbench: Workbench, course: Sequence[tuple[float, float]]) -> Picture:
    """Loss and accuracy after each epoch of the lectures' rule."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    epochs = range(1, len(course) + 1)
    left.plot(epochs, [loss for loss, _ in course], color=BLUE, marker="o")
    left.set(xlabel="epoch", ylabel="cross entropy, training")
    right.plot(epochs, [100 * accuracy for _, accuracy in course], color=BLUE, marker="o")
    right.set(xlabel="epoch", ylabel="right on test pictures, %")
    return workbench.save(figure, "rule", "loss and accuracy of one linear layer over the epochs")


def optimisers(workbench: Workbench, courses: Mapping[str, Sequence[float]]) -> Picture:
    """The loss at each step, one curve each."""
    figure, axes = plt.subplots(figsize=(10, 4), layout="constrained")
    for (name, course), colour in zip(courses.items(), (GREY, BLUE, GREEN, ORANGE, RED), strict=True):
        steps, means = _smooth(course)
        axes.plot(steps, means, color=colour, label=name)
    axes.set(
        xlabel="step, 200 pictures each", ylabel=f"cross entropy, mean of {SMOOTHED} steps", yscale="log"
    )
    axes.legend(frameon=False, ncols=len(courses))
    return workbench.save(
        figure, "optimisers", "loss against steps for SGD, momentum, Adagrad, RMSprop, Adam"
    )


def cnn(workbench: Workbench, course: Sequence[float], accuracy: float) -> Picture:
    """The loss of the small CNN at each step."""
    figure, axes = plt.subplots(figsize=(10, 3.4), layout="constrained")
    steps, means = _smooth(course)
    axes.plot(steps, means, color=BLUE)
    axes.set(
        xlabel="step, 100 pictures each", ylabel=f"cross entropy, mean of {SMOOTHED} steps", yscale="log",
        title=f"{accuracy:.2%} of the test pictures right in the end",
    )  # fmt: skip
    return workbench.save(figure, "cnn", "loss of a convolutional network in NumPy against steps")


def pixel_gradients(
    workbench: Workbench, network: Network, pictures: "Pictures", gradients: Array, fooled: "Pictures"
) -> Picture:
    """The first digits that the step turns into others: as they are, their gradient, after the step."""
    before, after = (network.forward(each.x).argmax(axis=1) for each in (pictures, fooled))
    turned = np.flatnonzero((before == pictures.classes) & (after != before))[:6]
    figure, axes = plt.subplots(
        3, max(len(turned), 1), figsize=(10, 5.4), layout="constrained", squeeze=False
    )
    for column, index in zip(axes.T, turned, strict=True):
        limit = np.abs(gradients[index]).max()
        column[0].imshow(pictures.x[index, 0], cmap="gray")
        column[1].imshow(gradients[index, 0], cmap="RdBu_r", vmin=-limit, vmax=limit)
        column[2].imshow(fooled.x[index, 0], cmap="gray")
        column[0].set_title(f"read as {before[index]}")
        column[2].set_title(f"read as {after[index]}")
    for row, name in zip(axes[:, 0], ("picture", "gradient of the loss", "after one step"), strict=True):
        row.set_ylabel(name)
    for each in axes.flat:
        each.set(xticks=[], yticks=[])
    shows = "digits, the gradient of their loss by the pixels, and the digits after a step along it"
    return workbench.save(figure, "pixels", shows)


def served(workbench: Workbench, curves: Mapping[str, Mapping[str, Sequence[float]]]) -> Picture:
    """The curves that the served files carry in their cards."""
    figure, axes = plt.subplots(1, len(curves), figsize=(10, 3.4), layout="constrained", squeeze=False)
    for axis, (name, curve) in zip(axes.flat, curves.items(), strict=True):
        epochs = range(1, len(curve["train_loss"]) + 1)
        axis.plot(epochs, curve["train_loss"], color=LIGHT_BLUE, label="training, as it was augmented")
        axis.plot(epochs, curve["validation_loss"], color=BLUE, label="validation")
        axis.set(xlabel="epoch", ylabel="cross entropy", title=name)
        axis.legend(frameon=False)
    return workbench.save(figure, "served", "training and validation loss of both served networks by epoch")


def _smooth(course: Sequence[float]) -> tuple[Array, Array]:
    """(Steps, the means of so many of them)."""
    count = len(course) // SMOOTHED
    means = np.reshape(course[: count * SMOOTHED], (count, SMOOTHED)).mean(axis=1)
    return (np.arange(count) + 1.0) * SMOOTHED, means
