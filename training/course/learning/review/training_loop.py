"""The training loop: zero_grad, shuffling, the order inside a batch, and a loss that rises."""

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

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
from training.course.workbench import BLUE, RED, Workbench

BATCH_SIZE = 200
STEPS = 300
"""Of the loop without zero_grad: at first it is the faster one, as with momentum."""


def gradient(network: nn.Module, pictures: Tensor, classes: Tensor, weight: float = 1.0) -> Tensor:
    """All gradients of the mean cross entropy as one vector, added to those that the network has already."""
    (weight * F.cross_entropy(network(pictures), classes)).backward()  # type: ignore[no-untyped-call]
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    return torch.cat([values.flatten() for values in gradients]).clone()


def train_without_zero_grad(network: nn.Module, digits: Digits, epochs: int, rate: float) -> list[float]:
    """The loop with the line left out: each step follows the sum of all gradients so far."""
    optimizer = torch.optim.SGD(network.parameters(), lr=rate)
    losses = []
    for index in shuffled_batches(len(digits.train), BATCH_SIZE, epochs):
        loss = F.cross_entropy(network(digits.train[index]), digits.classes[index])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    return losses


def ask(workbench: Workbench, digits: Digits) -> list[Answer]:
    """Run the loop with and without each of its habits."""
    epochs = workbench.size(5, 4)
    return [
        _zero_grad(workbench, digits),
        _shuffle(digits, epochs),
        _inside_a_batch(digits),
        _rising_loss(digits),
    ]


def _zero_grad(workbench: Workbench, digits: Digits) -> Answer:
    rate, epochs = 0.1, STEPS * BATCH_SIZE // len(digits.train)
    with_it, without = mlp(), mlp()
    batches = shuffled_batches(len(digits.train), BATCH_SIZE, epochs)
    curves = (
        train(with_it, digits, batches, rate),
        train_without_zero_grad(without, digits, epochs, rate),
    )
    ends = [sum(losses[-10:]) / 10 for losses in curves]
    read = [accuracy(network, digits.test, digits.test_classes) for network in (with_it, without)]
    # backward adds: a batch of 200 is the sum of four of 50, each weighed with a quarter.
    whole, parts = mlp(), mlp()
    pictures, classes = digits.train[:BATCH_SIZE], digits.classes[:BATCH_SIZE]
    at_once = gradient(whole, pictures, classes)
    for few, their_classes in zip(pictures.split(50), classes.split(50), strict=True):
        in_parts = gradient(parts, few, their_classes, weight=0.25)
    difference = float((in_parts - at_once).norm() / at_once.norm())
    return Answer(
        "What is zero_grad for?",
        "`backward` adds to the gradients that are there. Without `zero_grad` a step follows the sum of all"
        " batches so far, which is momentum that never fades: faster at first, then past every minimum."
        f" After {len(curves[0])} steps with the same batches the network with it reads {read[0]:.1%} of the"
        f" test digits, with a loss of {ends[0]:.2f} over the last ten steps, the one without {read[1]:.1%},"
        f" with {ends[1]:.2f}. That `backward` adds is of use where a batch does not fit into memory: four"
        " times 50 pictures, each with a quarter of the loss, and then one step, give the gradient of 200"
        f" pictures to within a relative {difference:.0e}.",
        ends[1] > 1.3 * ends[0] and read[0] > read[1] and difference < 1e-5,
        [
            workbench.save(
                _two_losses(*curves), "zero-grad",
                "The loss falls with zero_grad and swings without it",
            )
        ],
        {"with_zero_grad": read[0], "without_zero_grad": read[1], "accumulated_difference": difference,
            "loss_with_zero_grad": ends[0], "loss_without_zero_grad": ends[1]},
    )  # fmt: skip


def _shuffle(digits: Digits, epochs: int) -> Answer:
    by_class = digits.classes.argsort(stable=True)
    orders = {
        "sorted by class": (by_class for _ in range(epochs)),
        "shuffled once": (torch.arange(len(by_class)) for _ in range(epochs)),
        "shuffled in every epoch": None,
    }
    read = {}
    for name, order in orders.items():
        batches = (
            shuffled_batches(len(by_class), BATCH_SIZE, epochs)
            if order is None
            else (index for epoch in order for index in epoch.split(BATCH_SIZE))
        )
        network = mlp()
        train(network, digits, batches)
        read[name] = accuracy(network, digits.test, digits.test_classes)
    of_sorted, once, always = read.values()
    return Answer(
        "Why are the pictures shuffled in every epoch?",
        "So that each batch is a fair sample. A network that sees all noughts first and all nines last has"
        f" forgotten the noughts by then: {of_sorted:.1%} of the test digits after {epochs} epochs, against"
        f" {always:.1%}. Shuffling once does as well here, {once:.1%}; a new order in every epoch costs"
        " nothing and never lets the same pictures meet in a batch again.",
        always > of_sorted + 0.2 and abs(always - once) < 0.05,
        [Table(("order of the training pictures", "accuracy"), [(n, f"{a:.1%}") for n, a in read.items()])],
        {"sorted": of_sorted, "shuffled_once": once, "shuffled": always},
    )


def _inside_a_batch(digits: Digits) -> Answer:
    order = torch.randperm(BATCH_SIZE, generator=torch.Generator().manual_seed(0))
    pictures, classes = digits.train[:BATCH_SIZE], digits.classes[:BATCH_SIZE]
    as_is, mixed = gradient(mlp(), pictures, classes), gradient(mlp(), pictures[order], classes[order])
    difference = float((as_is - mixed).norm() / as_is.norm())
    return Answer(
        "Why shuffle inside a batch?",
        "There is no need to. The loss is a mean over the batch, and a mean knows no order: another order"
        f" changes the gradient by a relative {difference:.0e}, the rounding of 32 bits. What matters is"
        " which pictures share a batch.",
        difference < 1e-5,
        values={"order_difference": difference},
    )


def _rising_loss(digits: Digits) -> Answer:
    high, low = 10.0, 0.1
    # One layer: its loss is convex, and units that die cannot spoil the comparison.
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    losses = []
    for rate, epochs in ((low, 2), (high, 1)):
        train(network, digits, shuffled_batches(len(digits.train), BATCH_SIZE, epochs), rate)
        losses.append(mean_loss(network, digits.train, digits.classes))
    state = {name: value.clone() for name, value in network.state_dict().items()}
    for rate in (2 * high, low):
        network.load_state_dict(state)
        train(network, digits, shuffled_batches(len(digits.train), BATCH_SIZE, 3), rate)
        losses.append(mean_loss(network, digits.train, digits.classes))
    begin, risen, larger, smaller = losses
    return Answer(
        "The loss rises epoch after epoch: a larger learning rate, or a smaller one?",
        f"A smaller one: the steps jump across the valley. A linear layer learned with a rate of {low:g} to"
        f" a loss of {begin:.2f}; an epoch with {high:g} raises it to {risen:.2f}. Three epochs more with"
        f" {2 * high:g} end at {larger:.2f}, three with {low:g} at {smaller:.2f}, and falling.",
        risen > begin and smaller < risen and smaller < larger,
        values={"before": begin, "risen": risen, "larger_rate": larger, "smaller_rate": smaller},
    )


def _two_losses(with_it: list[float], without: list[float]) -> Figure:
    figure, axis = plt.subplots(figsize=(9, 3.6), layout="constrained")
    axis.semilogy(without, color=RED, label="without zero_grad")
    axis.semilogy(with_it, color=BLUE, label="with zero_grad")
    axis.set(xlabel="step", ylabel="loss of the batch")
    axis.legend(frameon=False)
    axis.grid(alpha=0.3)
    return figure
