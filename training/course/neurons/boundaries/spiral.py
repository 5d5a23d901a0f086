"""The spiral of three arms: a hidden layer that grows, learning rates and weight decays that are too large.

After the case study of the course CS231n (Karpathy, Stanford 2015).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn import functional as F

from training.course.neurons.boundaries.plots import Section, grid
from training.course.workbench import BLUE, GREEN, LIGHT_BLUE, ORANGE, RED, Workbench

ARMS = 3
ARM_COLOURS = (BLUE, ORANGE, GREEN)
RATE, L2 = 1.0, 1e-3
WIDTHS = (0, 2, 5, 10, 30, 100)
RATES = (1.0, 3.0, 10.0)
DECAYS = (1e-3, 1e-2, 1e-1)


@dataclass(frozen=True)
class Run:
    """One network and how it fared.

    Attributes:
        network: Points (N, 2) -> scores (N, 3).
        losses: The cross entropy after each step.
        train: The share of the training points that are right.
        test: That of other points on the same arms.
    """

    network: nn.Sequential
    losses: npt.NDArray[np.float64]
    train: float
    test: float


def spiral(count: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Points float32 (3 count, 2) on three noisy arms, and the arm of each."""
    radius = np.tile(np.linspace(0.02, 1, count), ARMS)
    arm = np.repeat(np.arange(ARMS), count)
    angle = 4 * (arm + radius) + rng.normal(0, 0.2, len(arm))
    points = np.column_stack([radius * np.sin(angle), radius * np.cos(angle)])
    return torch.tensor(points, dtype=torch.float32), torch.tensor(arm)


def network(hidden: int) -> nn.Sequential:
    """One hidden layer of ReLUs, or none at all for `hidden` 0: then the boundaries are straight."""
    if not hidden:
        return nn.Sequential(nn.Linear(2, ARMS))
    return nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, ARMS))


def learn_spiral(hidden: int, rate: float = RATE, l2: float = L2, steps: int = 4000, seed: int = 0) -> Run:
    """Gradient descent on all 300 points at once."""
    rng = np.random.default_rng(seed)
    points, arms = spiral(100, rng)
    test_points, test_arms = spiral(100, rng)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = network(hidden)
    optimizer = torch.optim.SGD(net.parameters(), lr=rate, weight_decay=l2)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(points), arms)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return Run(net, np.array(losses), _accuracy(net, points, arms), _accuracy(net, test_points, test_arms))


def _accuracy(net: nn.Module, points: Tensor, arms: Tensor) -> float:
    with torch.no_grad():
        return (net(points).argmax(dim=1) == arms).float().mean().item()


def spiral_figure(runs: Mapping[str, Run]) -> Figure:
    """Six networks: the colour of a place is the arm that the network sees there."""
    figure, rows = plt.subplots(2, 3, figsize=(12, 8), layout="constrained")
    for axes, (title, run) in zip(rows.ravel(), runs.items(), strict=True):
        _draw_arms(axes, run)
        axes.set(title=f"{title}: {run.test:.0%} of the test points", xticks=(), yticks=())
    return figure


def _draw_arms(axes: Axes, run: Run) -> None:
    axis, plane = grid(-1.15, 1.15, 160)
    with torch.no_grad():
        arms = run.network(torch.tensor(plane, dtype=torch.float32)).argmax(dim=1).numpy()
    extent = (-1.15, 1.15, -1.15, 1.15)
    picture = arms.reshape(len(axis), -1)
    colours = ListedColormap(ARM_COLOURS)
    axes.imshow(picture, colours, vmin=0, vmax=2, origin="lower", extent=extent, alpha=0.35)
    points, truth = spiral(100, np.random.default_rng(0))
    axes.scatter(*points.T, c=[ARM_COLOURS[arm] for arm in truth], s=7)


def losses_figure(rates: Mapping[str, Run]) -> Figure:
    """The loss of networks with different learning rates against the steps."""
    figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
    for (name, run), colour in zip(rates.items(), (BLUE, ORANGE, RED), strict=True):
        axes.semilogy(run.losses, color=colour, linewidth=1, label=name)
    axes.axhline(np.log(3), color=LIGHT_BLUE, linestyle="--", label="guessing, ln 3")
    axes.set(xlabel="step", ylabel="cross entropy")
    axes.legend(loc="upper right")
    return figure


def _active(net: nn.Sequential) -> float:
    """The share of the hidden units that are above 0 for any training point."""
    points, _ = spiral(100, np.random.default_rng(0))
    with torch.no_grad():
        return (net[:2](points) > 0).any(dim=0).float().mean().item()


def section(workbench: Workbench) -> Section:
    """Growing widths, then learning rates and decays that are too large."""
    steps = workbench.size(4000, 800)
    widths = {
        width: learn_spiral(width, steps=steps) for width in workbench.track(WIDTHS, "spiral: hidden units")
    }
    rates = {
        rate: learn_spiral(100, rate=rate, steps=steps)
        for rate in workbench.track(RATES, "spiral: learning rates")
    }
    decays = {l2: learn_spiral(100, l2=l2, steps=steps) for l2 in workbench.track(DECAYS, "spiral: decays")}
    values = {
        **{f"spiral_width_{width}": run.test for width, run in widths.items()},
        **{f"spiral_rate_{rate:g}": run.test for rate, run in rates.items()},
        "spiral_dead": 1 - _active(rates[10.0].network),
        **{f"spiral_l2_{l2:g}": run.test for l2, run in decays.items()},
    }
    wide, straight = widths[100].test, widths[0].test
    return Section(
        [
            "## The spiral",
            "Three arms wind around each other. Without a hidden layer the boundaries are straight, and"
            f" {straight:.0%} of new points are right. Each hidden ReLU adds a fold along which the boundary"
            f" can bend; 100 of them get {wide:.0%}.",
            workbench.save(
                spiral_figure(
                    {f"{width} hidden" if width else "no hidden layer": run for width, run in widths.items()}
                ),
                "spiral",
                "Six"
                " networks on the spiral: straight boundaries without a hidden layer, curved ones with 100"
                " units.",
            ),
            workbench.save(
                spiral_figure(
                    {f"rate {rate:g}": run for rate, run in rates.items()}
                    | {f"L2 {l2:g}": run for l2, run in decays.items()}
                ),
                "spiral-settings",
                "The spiral with learning rates 1, 3 and 10 and with weight decays 0.001, 0.01 and 0.1.",
            ),
            workbench.save(
                losses_figure({f"learning rate {rate:g}": run for rate, run in rates.items()}),
                "spiral-losses",
                "The loss of three learning rates: one falls, one jumps, one stays high.",
            ),
            "A learning rate of 3 jumps across the valleys that a rate of 1 walks down, and ends wherever"
            f" it was last. At 10 the first steps throw {values['spiral_dead']:.0%} of the ReLUs to where"
            " they give 0 for every point and have no slope: nothing brings those back, and the network"
            f" sees the same arm everywhere, right in {rates[10.0].test:.0%}.",
            "L2 decay pulls every weight towards 0, so a lot of it forbids the steep slopes that tight"
            f" windings need: with 0.01 {decays[0.01].test:.0%} of the points are right, with 0.1,"
            f" {decays[0.1].test:.0%}, no more than with straight lines.",
        ],
        values,
    )
