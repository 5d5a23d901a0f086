"""How long a step is: too small, right, too large; schedules; five optimisers on surfaces of two weights."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from torch import Tensor
from torch.optim import lr_scheduler

from training.course.learning import surfaces
from training.course.learning.batches import digits
from training.course.learning.surfaces import Surface
from training.course.page import Listing, Page, Picture, Table
from training.course.workbench import BLUE, GREEN, GREY, LIGHT_BLUE, ORANGE, RED, Workbench
from training.networks.architectures import digits_mlp

Digits = tuple[Tensor, Tensor, Tensor, Tensor]
"""float32 pictures (N, 1, 28, 28) and int64 classes (N,), to learn from and to test on."""

MakeSchedule = Callable[[torch.optim.SGD, float, int], lr_scheduler.LRScheduler]
"""An optimiser, its highest rate, the number of updates -> a schedule."""

SCHEDULES: dict[str, MakeSchedule] = {
    "constant": lambda sgd, rate, updates: lr_scheduler.ConstantLR(sgd, factor=1.0),
    "step": lambda sgd, rate, updates: lr_scheduler.StepLR(sgd, step_size=updates // 3, gamma=0.1),
    "cosine": lambda sgd, rate, updates: lr_scheduler.CosineAnnealingLR(sgd, T_max=updates),
    "one-cycle": lambda sgd, rate, updates: lr_scheduler.OneCycleLR(
        sgd, rate, total_steps=updates + 1, cycle_momentum=False
    ),
}
"""Loshchilov and Hutter (ICLR 2017) for the cosine, Smith and Topin (2017) for one cycle."""


@dataclass(frozen=True)
class Learned:
    """The rate and the batch's loss of each update, and the loss on the test pictures at the end."""

    rates: list[float]
    losses: list[float]
    test_loss: float


def learn(data: Digits, rate: float, updates: int, schedule: MakeSchedule) -> Learned:
    """Gradient descent on batches of 100; ends early where the loss is no number any more."""
    x, y, test_x, test_y = data
    torch.manual_seed(0)
    network = digits_mlp(hidden=100)
    optimiser = torch.optim.SGD(network.parameters(), lr=rate)
    plan = schedule(optimiser, rate, updates)
    rates, losses = [], []
    for _ in range(updates):
        index = torch.randint(len(x), (100,))
        loss = F.cross_entropy(network(x[index]), y[index])
        rates.append(float(optimiser.param_groups[0]["lr"]))
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            break
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        plan.step()
    with torch.no_grad():
        test_loss = float(F.cross_entropy(network.eval()(test_x), test_y))
    return Learned(rates, losses, test_loss)


def range_test(data: Digits, low: float = 1e-4, high: float = 100.0, updates: int = 250) -> Learned:
    """Every update takes a larger rate than the one before (Smith, WACV 2017)."""

    def growing(sgd: torch.optim.SGD, rate: float, updates: int) -> lr_scheduler.LRScheduler:
        return lr_scheduler.ExponentialLR(sgd, gamma=(high / low) ** (1 / updates))

    return learn(data, low, updates, growing)


def smoothed(losses: Sequence[float], memory: float = 0.9) -> npt.NDArray[np.float64]:
    """The exponential moving average, without its bias towards 0 at the beginning."""
    average, result = 0.0, []
    for step, loss in enumerate(losses, start=1):
        average = memory * average + (1 - memory) * loss
        result.append(average / (1 - memory**step))
    return np.array(result)


def suggested(test: Learned) -> float:
    """A third of the rate at which the smoothed loss of a range test is lowest."""
    return test.rates[int(np.argmin(smoothed(test.losses)))] / 3


def stability_limit(surface: Surface, steps: int = 300) -> float:
    """The largest rate with which gradient descent does not climb, by bisection."""
    low, high = 1e-3, 1.0
    while high / low > 1.001:
        rate = math.sqrt(low * high)
        points = surfaces.path(surface, "gradient descent", rate, steps)
        heights = surfaces.losses(surface, points)
        low, high = (rate, high) if heights[-1] < heights[0] else (low, rate)
    return low


def run(workbench: Workbench) -> Page:
    """The range test, three rates side by side, four schedules, five optimisers, and a page to play with."""
    data = digits(workbench, workbench.size(54_000, 6000), workbench.size(10_000, 600))
    found = range_test(data, updates=workbench.size(300, 120))
    right = suggested(found)
    updates, long = workbench.size(600, 150), workbench.size(2500, 200)
    rates = {"too small": right / 100, "right": right, "too large": right * 100}
    three = {
        name: learn(data, rate, updates, SCHEDULES["constant"])
        for name, rate in workbench.track(rates.items(), "three rates", total=3)
    }
    scheduled = {
        name: learn(data, 3 * right, long, schedule)
        for name, schedule in workbench.track(SCHEDULES.items(), "schedules", total=4)
    }
    all_surfaces = {
        "bowl": surfaces.bowl(), "valley": surfaces.valley(), "saddle": surfaces.saddle(),
        "neuron": surfaces.neuron(*(inputs := surfaces.six_or_nine(*data[:2]))),
    }  # fmt: skip
    limit = stability_limit(all_surfaces["bowl"])
    steps = workbench.size(150, 100)
    chosen = {
        name: {o: surfaces.best_rate(surface, o, steps) for o in surfaces.OPTIMISERS}
        for name, surface in workbench.track(all_surfaces.items(), "optimisers", total=4)
    }
    paths = {
        name: {o: surfaces.path(surface, o, rate, steps) for o, rate in chosen[name].items()}
        for name, surface in all_surfaces.items()
    }
    rows = [
        [o, *(_arrival(all_surfaces[name], paths[name][o], chosen[name][o]) for name in paths)]
        for o in surfaces.OPTIMISERS
    ]
    losses = {name: learned.test_loss for name, learned in three.items()}
    holds = losses["right"] < 0.5 * losses["too small"] and not losses["right"] > 0.5 * losses["too large"]
    end = {name: learned.test_loss for name, learned in scheduled.items()}
    return Page(
        title="The learning rate",
        claim="With too small a learning rate a network learns too slowly, with too large a one not at all.",
        holds=holds,
        verdict=f"After {updates} updates the test loss is {losses['right']:.3g} at the rate that the range"
        f" test suggests ({right:.2g}), {losses['too small']:.3g} at a hundredth of it, and"
        f" {losses['too large']:.3g} at a hundred times it.",
        blocks=[
            "## Why there is a limit",
            "A step follows the slope, and the slope is only true near where one stands. In a bowl of"
            " curvature c, a step of rate r multiplies the distance from the middle by 1 - r c: above r = 2"
            " / c every step lands farther away on the other side. The bowl below has curvatures 1 and 20,"
            f" so its limit is 0.1; the largest rate that did not climb, found by bisection, is {limit:.4f}.",
            surfaces.draw_three_rates(workbench, all_surfaces["bowl"]),
            "The steep direction sets the limit, and the flat one has to live with it: at the limit it"
            " shrinks by a tenth per step. That ratio of curvatures is what makes a loss hard.",
            "## The same with digits",
            "The network is digits-mlp with 100 hidden units. The range test looks for the rate: each"
            " update takes a slightly larger one, and the loss tells where learning begins, where it is"
            " fastest and where it breaks. A third of the rate at the lowest point is taken as the right"
            " one.",
            _digits(workbench, found, right, three),
            "## Schedules",
            f"Four schedules begin at, or rise to, {3 * right:.2g}, where the range test was lowest, for"
            f" {long:,} updates. A falling rate pays as soon as large steps only jump to and fro around the"
            " minimum. The test losses at the end, of one run each, are "
            + ", ".join(f"{name} {loss:.4f}" for name, loss in end.items())
            + ".",
            _schedules(workbench, scheduled),
            "## Five optimisers",
            Listing(surfaces.RULES),
            "Momentum remembers where it was going: what points to and fro cancels, what points onwards"
            " adds up. The others divide each weight's gradient by its usual size, so that flat and steep"
            " weights move alike. Each takes the best of seven rates from 0.003 to 3 on each surface.",
            surfaces.animate(workbench, all_surfaces, paths),
            "Steps until the loss, above the lowest, stays under a hundredth of its first value; a dash"
            f" where {steps} are not enough:",
            Table(("optimiser", *(surface.title for surface in all_surfaces.values())), rows),
            "No one wins everywhere. The last surface is a real one: a neuron with two weights and no bias,"
            " which tells sixes from nines by the ink in the upper and in the lower half. Both inputs are"
            " always positive, so moving both weights together is far steeper than moving one against the"
            f" other: the curvatures at the origin have the ratio {_curvature_ratio(inputs[0]):.0f}. With"
            " the mean of the inputs subtracted, as served networks do it, it is"
            f" {_curvature_ratio(inputs[0] - inputs[0].mean(0)):.1f}.",
            "## Play",
            workbench.save_playground(
                "learning_rate.html", "play", "Turn the rate, choose the optimiser, click to start elsewhere",
                playground(all_surfaces, chosen, *inputs),
            ),
        ],
        code=["training/course/learning/learning_rate.py", "training/course/learning/surfaces.py",
              "training/course/play/learning_rate.html"],
        try_this="Run `python -m training lab learning-rate`, open runs/lab/learning-rate/play.html and"
        " turn the rate through 0.1 in the bowl, with gradient descent and with momentum.",
        values={
            "right_rate": right, "limit": limit, **{f"loss_{n.split()[-1]}": v for n, v in losses.items()},
            **{f"schedule_{n}": v for n, v in end.items()},
        },
    )  # fmt: skip


def _curvature_ratio(inputs: Tensor) -> float:
    """Largest by smallest eigenvalue of X^T X, up to a factor the Hessian of the loss at weights 0."""
    curvatures = torch.linalg.eigvalsh(inputs.T @ inputs)
    return float(curvatures[-1] / curvatures[0])


def _arrival(surface: Surface, points: npt.NDArray[np.float64], rate: float) -> str:
    step = surfaces.arrival(surface, points)
    return f"{'-' if step is None else step} (rate {rate:g})"


def playground(
    all_surfaces: Mapping[str, Surface], rates: Mapping[str, Mapping[str, float]], x: Tensor, y: Tensor
) -> dict[str, object]:
    """What the playground needs: the surfaces, a rate for each optimiser, the neuron's points."""
    return {
        "surfaces": {
            name: {"title": s.title, "start": s.start, "window": s.window, "lowest": s.lowest,
                   "rates": rates[name]}
            for name, s in all_surfaces.items()
        },
        "points": torch.column_stack([x, y]).tolist(),
    }  # fmt: skip


def _digits(workbench: Workbench, found: Learned, right: float, three: Mapping[str, Learned]) -> Picture:
    figure, (left, middle) = plt.subplots(1, 2, figsize=(12, 3.8), layout="constrained")
    left.plot(found.rates, found.losses, color=LIGHT_BLUE, linewidth=0.8)
    left.plot(found.rates, smoothed(found.losses), color=BLUE)
    left.axvline(right, color=RED, linestyle="--", label=f"suggested: {right:.2g}")
    left.set(xscale="log", ylim=(0, 4), xlabel="learning rate", ylabel="cross entropy", title="range test")
    left.legend(frameon=False)
    for (name, learned), colour in zip(three.items(), (ORANGE, BLUE, RED), strict=True):
        middle.plot(smoothed(learned.losses), color=colour, label=f"{name}: {learned.rates[0]:.2g}")
    middle.set(yscale="log", ylim=(None, 100), xlabel="updates", title="three rates")
    middle.legend(frameon=False)
    return workbench.save(figure, "digits", "A range test, and the loss of three learning rates on digits.")


def _schedules(workbench: Workbench, scheduled: Mapping[str, Learned]) -> Picture:
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 3.6), layout="constrained")
    for (name, learned), colour in zip(scheduled.items(), (GREY, ORANGE, GREEN, BLUE), strict=True):
        left.plot(learned.rates, color=colour, label=name)
        right.plot(smoothed(learned.losses, 0.98), color=colour, label=name)
    left.set(xlabel="updates", ylabel="learning rate")
    right.set(xlabel="updates", ylabel="cross entropy, smoothed", yscale="log")
    left.legend(frameon=False)
    return workbench.save(figure, "schedules", "Four schedules, and the training loss under each.")
