"""Losses and metrics: what can be learned from, and what a falling loss says of the accuracy."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.course.learning.measures.overconfidence import overfit
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

PERTURBATIONS = 100
RELATIVE_STEP = 1e-6


def ask(workbench: Workbench, digits: Digits) -> list[Answer]:
    """Accuracy as a loss, loss against accuracy, and two wrong criteria."""
    return [_accuracy_as_loss(digits), _loss_up(workbench), _cat(), _criteria(workbench, digits)]


def _accuracy_as_loss(digits: Digits) -> Answer:
    network = mlp().double()
    pictures, classes = digits.train[:200].double(), digits.classes[:200]
    parameters = list(network.parameters())
    generator = torch.Generator().manual_seed(0)

    def measured() -> tuple[float, float]:
        return accuracy(network, pictures, classes), mean_loss(network, pictures, classes)

    before = measured()
    moved = [0, 0]
    with torch.no_grad():
        for _ in range(PERTURBATIONS):
            steps = [
                torch.randn(values.shape, generator=generator, dtype=torch.float64) * RELATIVE_STEP
                for values in parameters
            ]
            for values, step in zip(parameters, steps, strict=True):
                values += step
            for kind, (old, new) in enumerate(zip(before, measured(), strict=True)):
                moved[kind] += old != new
            for values, step in zip(parameters, steps, strict=True):
                values -= step
    follows = network(pictures).argmax(1).requires_grad
    return Answer(
        "Can accuracy, precision or recall be the loss?",
        f"No: they count, and a count is a staircase whose slope is 0 on every step. Of {PERTURBATIONS} tiny"
        f" changes of all weights {moved[0]} change the accuracy on 200 digits and {moved[1]} the cross"
        " entropy. torch says the same: behind `argmax` no gradient is recorded. Every part between the"
        " weights and the loss has to be differentiable almost everywhere, with a slope that is not 0"
        " almost everywhere; what comes after the loss does not.",
        not follows and moved[0] < 5 and moved[1] == PERTURBATIONS,
        values={"accuracy_moved": float(moved[0]), "loss_moved": float(moved[1])},
    )


def _loss_up(workbench: Workbench) -> Answer:
    curve = overfit(workbench)
    low, (loss, reached) = curve.lowest_loss, curve.end
    return Answer(
        "Is accuracy bound to rise as the loss falls, and to fall as it rises?",
        f"No. A CNN on {curve.pictures:,} digits has its lowest test loss, {curve.test_loss[low]:.3f}, after"
        f" {low + 1} epochs. Over the last ten of {len(curve.test_loss)} the loss is {loss:.3f}, and the"
        f" accuracy has risen as well, from {curve.test_accuracy[low]:.1%} to {reached:.1%}. Accuracy asks"
        " which score is the highest, cross entropy also how sure the network was, and it grows ever surer"
        " of its mistakes. The page on metrics draws the curves.",
        loss > 1.1 * curve.test_loss[low] and reached > curve.test_accuracy[low] + 0.002,
        values={
            "lowest_loss": curve.test_loss[low], "last_loss": loss,
            "accuracy_at_lowest_loss": curve.test_accuracy[low], "last_accuracy": reached,
        },
    )  # fmt: skip


def _cat() -> Answer:
    truth = torch.tensor([1])
    losses = [float(F.nll_loss(torch.tensor([row]).log(), truth)) for row in ([0.75, 0.25], [0.99, 0.01])]
    return Answer(
        "A cat, [0, 1], is answered with [0.75, 0.25], an epoch later with [0.99, 0.01]: has the loss"
        " fallen?",
        f"It has risen, from -ln 0.25 = {losses[0]:.2f} to -ln 0.01 = {losses[1]:.2f}. The accuracy on this"
        " picture was 0 and stays 0.",
        losses[1] > losses[0],
        values={"cat_before": losses[0], "cat_after": losses[1]},
    )


def _criteria(workbench: Workbench, digits: Digits) -> Answer:
    def minus_probability(scores: Tensor, classes: Tensor) -> Tensor:
        return F.nll_loss(scores.softmax(1), classes)

    def softmax_twice(scores: Tensor, classes: Tensor) -> Tensor:
        return F.cross_entropy(scores.softmax(1), classes)

    def log_of_softmax(scores: Tensor, classes: Tensor) -> Tensor:
        return F.nll_loss(scores.softmax(1).log(), classes)

    criteria = {
        "LogSoftmax, then NLLLoss": F.cross_entropy,
        "Softmax, its logarithm, then NLLLoss": log_of_softmax,
        "Softmax, then NLLLoss": minus_probability,
        "Softmax, then CrossEntropyLoss": softmax_twice,
    }
    epochs = workbench.size(4, 5)
    read = {}
    for name, criterion in criteria.items():
        torch.manual_seed(0)
        network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
        train(network, digits, shuffled_batches(len(digits.train), 200, epochs), 0.1, criterion)
        read[name] = accuracy(network, digits.test, digits.test_classes)
    right, same, no_log, twice = read.values()
    infinite = bool(torch.tensor([[0.0, 200.0]]).softmax(1).log().isinf().any())
    return Answer(
        "Which criterion goes with Softmax in the place of LogSoftmax?",
        f"None of torch's: take the logarithm, which brings LogSoftmax back ({same:.1%} of the test digits"
        f" after {epochs} epochs, the same as {right:.1%}), or leave both out and give CrossEntropyLoss the"
        " scores. NLLLoss takes its input for logarithms and would learn from the bare probability,"
        f" {no_log:.1%}; CrossEntropyLoss would apply softmax a second time, {twice:.1%}. Both run without"
        f" an error. The logarithm of a softmax {'is' if infinite else 'is not'} infinite where a score lies"
        " 200 behind; LogSoftmax computes it in one piece.",
        abs(right - same) < 0.01 and right > max(no_log, twice) and infinite,
        [
            Table(
                ("output and criterion", "accuracy"), [(name, f"{value:.1%}") for name, value in read.items()]
            )
        ],
        {"log_softmax": right, "softmax_log": same, "softmax_nll": no_log, "softmax_cross_entropy": twice},
    )
