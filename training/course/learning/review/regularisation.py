"""Regularisation: augmentation and dropout, measured by the gap between training and test."""

from collections.abc import Callable

import torch
from torch import Tensor

from training.course.learning.review.answer import (
    Answer,
    Digits,
    accuracy,
    mean_loss,
    mlp,
    shuffled_batches,
    train,
)
from training.course.page import Table
from training.course.workbench import Workbench
from training.data import augment

FEW = 500
"""Training pictures: little data is where a regulariser shows."""

BATCH_SIZE = 50


def sometimes(change: Callable[[Tensor], Tensor], probability: float) -> Callable[[Tensor], Tensor]:
    """Change each picture with a probability, else leave it as it is."""

    def augmented(pictures: Tensor) -> Tensor:
        chosen = torch.rand(len(pictures)) < probability
        return torch.where(chosen[:, None, None, None], change(pictures), pictures)

    return augmented


def mirrored(pictures: Tensor) -> Tensor:
    """Left and right exchanged: float32 (N, 1, H, W)."""
    return pictures.flip(3)


def ask(workbench: Workbench, digits: Digits) -> list[Answer]:
    """Train with and without augmentation and dropout."""
    return [_augmentation(workbench, digits.first(FEW)), *_dropout(workbench, digits)]


def _augmentation(workbench: Workbench, digits: Digits) -> Answer:
    changes = {
        "nothing": augment.none,
        "distorted, every second one": sometimes(augment.distorted, 0.5),
        "distorted, always": augment.distorted,
        "mirrored, every second one": sometimes(mirrored, 0.5),
        "mirrored, always": mirrored,
    }
    epochs = workbench.size(120, 60)
    rows, gaps, tests = [], [], []
    for name, change in workbench.track(changes.items(), "augmentation", len(changes)):
        network = mlp(hidden=300)
        train(network, digits, shuffled_batches(FEW, BATCH_SIZE, epochs), augment=change)
        on_train = accuracy(network, digits.train, digits.classes)
        tests.append(accuracy(network, digits.test, digits.test_classes))
        gaps.append(on_train - tests[-1])
        rows.append((name, f"{on_train:.1%}", f"{tests[-1]:.1%}", f"{100 * gaps[-1]:.1f} points"))
    return Answer(
        "Is data augmentation a regulariser, and why only with a probability?",
        "It is: it narrows the gap between training and test, as weight decay and dropout do, without a"
        f" term in the loss. {FEW} digits alone leave a gap of {100 * gaps[0]:.1f} points; shifted, turned"
        f" and bent anew in every epoch, {100 * gaps[2]:.1f}. Accuracy on the test digits rises from"
        f" {tests[0]:.1%} to {tests[2]:.1%}. A probability keeps pictures as they are among those that are"
        " learned. Where the distorted ones still look like digits it makes little difference,"
        f" {tests[1]:.1%} with every second one distorted. Where they do not, it makes all: a network that"
        f" only saw mirrored digits reads {tests[4]:.1%}, one that saw every second one mirrored"
        f" {tests[3]:.1%}.",
        gaps[2] < gaps[0] - 0.01 and tests[2] > tests[0] + 0.01 and tests[3] > tests[4] + 0.1,
        [Table(("training pictures changed", "training accuracy", "test accuracy", "gap"), rows)],
        {
            "gap_plain": gaps[0], "gap_half": gaps[1], "gap_augmented": gaps[2],
            "test_plain": tests[0], "test_half": tests[1], "test_augmented": tests[2],
            "test_mirrored_half": tests[3], "test_mirrored": tests[4],
        },
    )  # fmt: skip


def _dropout(workbench: Workbench, digits: Digits) -> list[Answer]:
    network = mlp(hidden=300, dropout=0.5)
    epochs = workbench.size(3, 4)
    steps = len(digits.train) // 100
    losses = train(network, digits, shuffled_batches(steps * 100, 100, epochs))
    read = accuracy(network, digits.test, digits.test_classes)
    with torch.no_grad():
        network.train()
        passes = torch.stack([network(digits.test).softmax(1) for _ in range(20)])
    dropped = float((passes.argmax(2) == digits.test_classes).float().mean())
    wavers = float((passes.argmax(2) != passes.argmax(2)[0]).any(0).float().mean())
    logged = sum(losses[-steps:]) / steps
    on_train = mean_loss(network, digits.train, digits.classes)
    on_test = mean_loss(network, digits.test, digits.test_classes)
    return [
        Answer(
            "Should dropout be active when the network answers?",
            f"No. With dropout of one half on, the same network reads {dropped:.1%} of the test digits"
            f" instead of {read:.1%}, and changes its mind about {wavers:.1%} of them from one of 20 passes"
            " to another. This is why `network.eval()` stands before every evaluation; an exported file has"
            " no dropout left in it.",
            dropped < read and wavers > 0.01,
            values={"dropout_off": read, "dropout_on": dropped, "wavering": wavers},
        ),
        Answer(
            "The training loss is higher than the validation loss: under- or overfitting?",
            "Neither has to be. The training loss is taken with dropout on, and while the weights still"
            f" improve: {logged:.3f} over the last epoch. The same pictures with dropout off give"
            f" {on_train:.3f}, test pictures {on_test:.3f}. Compared alike, training is again the lower one."
            " A loss that is higher on both sides than that of a larger network would be underfitting.",
            logged > on_test > on_train,
            values={"logged_loss": logged, "train_loss": on_train, "test_loss": on_test},
        ),
    ]
