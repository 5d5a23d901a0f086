"""Serial, mini-batch and full-batch learning of the same network, against updates and against seconds.

Each update follows the mean gradient of B pictures, W <- W - rate * dL/dW; B is 1, 200 or all 60,000.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from torch import Tensor, nn

from models.image.views import DigitView
from training.course.page import Page, Picture, Table
from training.course.workbench import BLUE, GREEN, GREY, ORANGE, RED, Workbench
from training.data import sources
from training.data.splits import Examples
from training.networks.architectures import digits_linear, to_float

TARGET = 0.30
"""Cross entropy at which the clock stops: about eight digits in a hundred are then wrong."""

RATES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
"""Every batch size tries the likeliest of these learning rates and is judged by its best."""

PART = 1000
"""Pictures whose gradient is computed at once: more of them no longer fit into the cache."""


@dataclass(frozen=True)
class Curve:
    """A network learns until its loss is at the target, or its time is up.

    `updates` made, CPU `seconds` they took, and `losses` on 5,000 training pictures, at each measurement;
    `batch` pictures to an update, the learning `rate`, and the network as it was at the end.
    """

    batch: int
    rate: float
    updates: list[int]
    seconds: list[float]
    losses: list[float]
    network: nn.Module

    @property
    def arrived(self) -> bool:
        """True where the loss reached the target."""
        return self.losses[-1] <= TARGET


def digits(workbench: Workbench, train: int, test: int = 10_000) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """MNIST: pictures float32 (N, 1, 28, 28) in [0, 1] and classes int64 (N,), to train and to test."""
    splits = sources.load("mnist", DigitView(), workbench.data, max(train, 10 * test))
    everything = Examples.joined(splits.train, splits.validation, splits.calibration)[:train]
    return *_tensors(everything), *_tensors(splits.test[:test])


def _tensors(part: Examples) -> tuple[Tensor, Tensor]:
    return to_float(torch.from_numpy(part.pixels)).contiguous(), torch.from_numpy(part.targets)


def gradients(network: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    """The gradient of the mean cross entropy, one tensor for each parameter; summed over parts."""
    parameters, parts = list(network.parameters()), []
    for some_x, some_y in zip(x.split(PART), y.split(PART), strict=True):
        loss = F.cross_entropy(network(some_x), some_y, reduction="sum") / len(x)
        parts.append(torch.autograd.grad(loss, parameters))
    return parts[0] if len(parts) == 1 else tuple(sum(part) for part in zip(*parts, strict=True))


def learn(x: Tensor, y: Tensor, batch: int, rate: float, give_up_s: float) -> Curve:
    """Gradient descent on shuffled batches; measurements in between do not count as time."""
    torch.manual_seed(0)
    network = digits_linear()
    parameters = list(network.parameters())
    curve = Curve(batch, rate, [], [], [], network)
    seconds = 0.0
    for updates, indices in enumerate(_shuffled(len(x), batch), start=1):
        start = time.process_time()
        # All pictures need no order, and no copy in that order.
        few = (x, y) if batch == len(x) else (x[indices], y[indices])
        for parameter, gradient in zip(parameters, gradients(network, *few), strict=True):
            parameter.data.sub_(gradient, alpha=rate)
        seconds += time.process_time() - start
        if updates >= 1.2 * (curve.updates or [0])[-1] or seconds > give_up_s:
            with torch.no_grad():
                loss = float(F.cross_entropy(network(x[:5000]), y[:5000]))
            curve.updates.append(updates)
            curve.seconds.append(seconds)
            curve.losses.append(loss)
            if loss <= TARGET or seconds > give_up_s or not loss < 5:
                break
    return curve


def _shuffled(count: int, batch: int) -> Iterator[Tensor]:
    """Indices of batches, epoch after epoch, each in a new order."""
    generator = torch.Generator().manual_seed(0)
    while True:
        yield from torch.randperm(count, generator=generator).split(batch)


def fastest(x: Tensor, y: Tensor, batch: int, tries: int, give_up_s: float) -> Curve:
    """The learning rate that brings this batch size to the target in the fewest seconds.

    Of RATES, `tries` are tried, likely ones first, each for at most `give_up_s` CPU seconds.
    """
    guess = min(0.001 * batch, 0.3)
    curves: list[Curve] = []
    for rate in sorted(RATES, key=lambda rate: abs(math.log(rate / guess)))[:tries]:
        arrivals = [curve.seconds[-1] for curve in curves if curve.arrived]
        curves.append(learn(x, y, batch, rate, min([give_up_s, *arrivals])))
    return min(curves, key=lambda c: (not c.arrived, c.seconds[-1] if c.arrived else c.losses[-1]))


def gradient_noise(network: nn.Module, x: Tensor, y: Tensor, sizes: Sequence[int], draws: int) -> list[float]:
    """How far a batch's gradient is from that of all pictures: RMS of |g_B - g| / |g|, for each size."""
    generator = torch.Generator().manual_seed(1)
    whole = _flat(gradients(network, x, y))
    noise = []
    for size in sizes:
        squares = []
        for _ in range(draws):
            index = torch.randint(len(x), (size,), generator=generator)
            squares.append((_flat(gradients(network, x[index], y[index])) - whole).square().sum())
        noise.append(float(torch.stack(squares).mean().sqrt() / whole.norm()))
    return noise


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


def run(workbench: Workbench) -> Page:
    """Serial, mini-batch and full-batch learning raced to the same loss."""
    x, y, test_x, test_y = digits(workbench, workbench.size(60_000, 6000), workbench.size(10_000, 600))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # CPU seconds are then those on the clock, whatever else the machine does
    try:
        tries, give_up_s = workbench.size(4, 3), workbench.size(15, 3)
        serial, mini, full = curves = [
            fastest(x, y, batch, tries, give_up_s) for batch in workbench.track((1, 200, len(x)), "sizes")
        ]
        draws, noise_sizes = workbench.size(60, 40), [1, 5, 20, 200, 1000, 5000]
        torch.manual_seed(0)
        before = gradient_noise(digits_linear(), x, y, noise_sizes, draws)
        after = gradient_noise(mini.network, x, y, noise_sizes, draws)
    finally:
        torch.set_num_threads(threads)
    slope = math.log(after[-1] / after[0]) / math.log(noise_sizes[-1] / noise_sizes[0])
    prices = [1e3 * curve.seconds[-1] / curve.updates[-1] for curve in curves]
    accuracies = [float((curve.network(test_x).argmax(1) == test_y).float().mean()) for curve in curves]
    names = ["serial, 1", "mini-batch, 200", f"full batch, {len(x):,}"]
    seconds = [curve.seconds[-1] for curve in curves]
    holds = mini.arrived and seconds[1] < min(seconds[0], seconds[2])
    rows = [
        [name, f"{c.rate:g}", f"{c.updates[-1]:,}", f"{c.updates[-1] * c.batch:,}", f"{c.losses[-1]:.3f}",
         f"{c.seconds[-1]:.2f}", f"{price:.2f}", f"{accuracy:.1%}"]
        for name, c, price, accuracy in zip(names, curves, prices, accuracies, strict=True)
    ]  # fmt: skip
    return Page(
        title="One picture, 200 or all of them to a step",
        claim="Between one picture to an update and all of them lies a batch, some 200, that learns fastest.",
        holds=holds,
        verdict=f"On one core, digits-linear is at a loss of {TARGET:.2f} after {seconds[1]:.2f} s with"
        f" batches of 200; one picture at a time {_took(serial)} ({seconds[0] / seconds[1]:.0f} times as"
        f" long), all {len(x):,} at once {_took(full)} ({seconds[2] / seconds[1]:.0f} times), each with the"
        f" best of {tries} learning rates.",
        blocks=[
            "## The race",
            "The network is digits-linear as it is served. It starts from the same weights each time, and"
            f" the clock stops when the cross entropy on 5,000 training pictures is {TARGET:.2f}. A large"
            f" batch bears a large learning rate and a small one does not, so each size tries {tries} rates"
            " and shows its fastest. Seconds are CPU seconds on one core, without the measurements.",
            _race(workbench, curves, names),
            Table(("batch", "rate", "updates", "pictures", "loss", "seconds", "ms/update", "test"), rows),
            "In the left picture the full batch and the mini-batch go down together: the exact direction is"
            " hardly worth more than the estimate. Counted in pictures, the serial way needs"
            f" {serial.updates[-1]:,} and the mini-batch {200 * mini.updates[-1]:,}. The clock counts"
            " neither: it counts updates times the price of one.",
            "## Why 200: the price of a step and the worth of its direction",
            f"An update with one picture costs {prices[0]:.2f} ms, nearly all of it spent on calling"
            f" functions; one with 200 costs {prices[1]:.2f} ms, because a matrix product handles many"
            " columns almost as quickly as one. With all of them the price grows with the number of"
            " pictures: nothing is free any more.",
            _noise(workbench, noise_sizes, before, after, curves),
            "The gradient of a batch is an estimate of that of all pictures: right on average, with noise."
            " The noise falls with the square root of the batch (measured slope on logarithmic axes"
            f" {slope:.2f}): a hundred times the pictures buy a direction ten times as exact. Before"
            f" learning, a single picture errs by {before[0]:.1f} times the length of the gradient, after it"
            f" by {after[0]:.0f} times: what is left of the gradient is short, and the pictures disagree."
            f" Batches of about {before[0] ** 2:,.0f} and {after[0] ** 2:,.0f} have as much noise as signal"
            " (the gradient noise scale of McCandlish et al., 2018). Far above it more pictures to a step"
            " are wasted, far below it the rate must be small, or the steps wander.",
            "The lectures also blame the full batch for overfitting. This race does not show it: see `test`.",
        ],
        code=["training/course/learning/batches.py", "training/networks/architectures.py"],
        try_this="Set TARGET in training/course/learning/batches.py to 0.28 and run `python -m training lab"
        " batches`: which suffers most?",
        values={
            "seconds_serial": seconds[0], "seconds_mini": seconds[1], "seconds_full": seconds[2],
            "updates_serial": serial.updates[-1], "updates_mini": mini.updates[-1],
            "updates_full": full.updates[-1], "loss_mini": mini.losses[-1], "pictures": len(x),
            "noise_slope": slope,
            "noise_scale_before": before[0] ** 2, "noise_scale_after": after[0] ** 2,
        },
    )  # fmt: skip


def _took(curve: Curve) -> str:
    return ("takes " if curve.arrived else "is not there after ") + f"{curve.seconds[-1]:.1f} s"


def _race(workbench: Workbench, curves: Sequence[Curve], names: Sequence[str]) -> Picture:
    figure, axes = plt.subplots(1, 2, figsize=(12, 4.2), sharey=True, layout="constrained")
    for curve, name, colour in zip(curves, names, (ORANGE, BLUE, GREEN), strict=True):
        label = f"{name} (rate {curve.rate:g})"
        for axis, so_far in zip(axes, (curve.updates, curve.seconds), strict=True):
            axis.plot(so_far, curve.losses, "o-", color=colour, label=label, markevery=[-1])
    for axis, what in zip(axes, ("updates", "CPU seconds on one core"), strict=True):
        axis.axhline(TARGET, color=GREY, linewidth=0.8, linestyle="--")
        axis.set(xscale="log", xlabel=what)
    axes[0].set_ylabel("cross entropy")
    axes[0].legend(frameon=False)
    return workbench.save(figure, "race", "The loss of three ways to learn, against updates and seconds.")


def _noise(
    workbench: Workbench, sizes: list[int], before: list[float], after: list[float], curves: Sequence[Curve]
) -> Picture:
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.2), layout="constrained")
    for noise, name, colour in ((before, "before learning", GREY), (after, "after learning", RED)):
        left.loglog(sizes, noise, "o-", color=colour, label=name)
        left.loglog(sizes, [noise[0] / math.sqrt(size) for size in sizes], ":", color=colour)
    left.axhline(1, color=GREY, linewidth=0.8)
    left.set(xlabel="pictures in the batch", ylabel="noise / gradient", title="dotted: 1 / sqrt(batch)")
    left.legend(frameon=False)
    batches = np.array([curve.batch for curve in curves])
    prices = np.array([1e3 * curve.seconds[-1] / curve.updates[-1] for curve in curves])
    right.loglog(batches, prices, "o-", color=BLUE, label="of an update")
    right.loglog(batches, prices / batches, "o-", color=ORANGE, label="of a picture")
    right.set(xlabel="pictures in the batch", ylabel="CPU milliseconds", title="the price")
    right.legend(frameon=False)
    return workbench.save(figure, "noise", "Gradient noise, and the price of an update, by batch size.")
