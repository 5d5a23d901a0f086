"""Losses of two weights, and the paths that optimisers take on them.

Surfaces of two weights are the only ones one can see whole. The optimisers are torch's own; the playground
training/course/play/learning_rate.html has the same ones in JavaScript.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from torch import Tensor

from training.course.page import Picture
from training.course.workbench import BLUE, DPI, GREEN, GREY, LIGHT_BLUE, RED, Workbench

Loss = Callable[[Tensor, Tensor], Tensor]
"""Two weights of any one shape -> a loss of that shape."""


@dataclass(frozen=True)
class Surface:
    """A loss of two weights.

    Attributes:
        title: What it is.
        loss: The loss itself.
        start: Where paths begin.
        window: What is drawn: left, right, bottom, top.
        lowest: The smallest loss there is.
    """

    title: str
    loss: Loss
    start: tuple[float, float]
    window: tuple[float, float, float, float]
    lowest: float

    def grid(self, points: int = 160) -> tuple[npt.NDArray[np.float64], ...]:
        """(points, points) arrays: first weight, second weight, loss."""
        left, right, bottom, top = self.window
        across = torch.linspace(left, right, points, dtype=torch.float64)
        upwards = torch.linspace(bottom, top, points, dtype=torch.float64)
        x, y = torch.meshgrid(across, upwards, indexing="xy")
        return x.numpy(), y.numpy(), self.loss(x, y).numpy()


OPTIMISERS: dict[str, Callable[[list[Tensor], float], torch.optim.Optimizer]] = {
    "gradient descent": lambda weights, rate: torch.optim.SGD(weights, lr=rate),
    "momentum": lambda weights, rate: torch.optim.SGD(weights, lr=rate, momentum=0.9),
    "Adagrad": lambda weights, rate: torch.optim.Adagrad(weights, lr=rate),
    "RMSprop": lambda weights, rate: torch.optim.RMSprop(weights, lr=rate),
    "Adam": lambda weights, rate: torch.optim.Adam(weights, lr=rate),
}
"""By name, with torch's own defaults beside the learning rate."""

COLOURS = dict(zip(OPTIMISERS, (GREY, BLUE, "black", GREEN, RED), strict=True))

RULES = """\
g is the gradient, r the rate; every product, square and root is taken weight by weight.

gradient descent   w <- w - r g
momentum           v <- 0.9 v + g                             w <- w - r v
Adagrad            s <- s + g^2                               w <- w - r g / sqrt(s)
RMSprop            s <- 0.99 s + 0.01 g^2                     w <- w - r g / sqrt(s)
Adam               m <- 0.9 m + 0.1 g                         w <- w - r m' / sqrt(s')
                   s <- 0.999 s + 0.001 g^2                   m' = m / (1 - 0.9^t), s' = s / (1 - 0.999^t)
"""
"""Polyak (1964); Duchi et al. (JMLR 2011); Hinton's lecture 6e (2012); Kingma et al. (ICLR 2015)."""


RATES = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""What `best_rate` chooses from."""

ARRIVED = 0.01
"""A path has arrived where its loss, above the lowest, is this fraction of that at the start."""


def path(surface: Surface, optimiser: str, rate: float, steps: int) -> npt.NDArray[np.float64]:
    """The weights after 0, 1, 2 ... steps, float64 (steps + 1, 2); fewer where it leaves for infinity."""
    weights = torch.tensor(surface.start, dtype=torch.float64, requires_grad=True)
    chosen = OPTIMISERS[optimiser]([weights], rate)
    points = [weights.detach().clone()]
    for _ in range(steps):
        chosen.zero_grad()
        surface.loss(weights[0], weights[1]).backward()  # type: ignore[no-untyped-call]
        chosen.step()
        if not bool((weights.detach().abs() < 1e6).all()):
            break
        points.append(weights.detach().clone())
    return torch.stack(points).numpy()


def arrival(surface: Surface, points: npt.NDArray[np.float64]) -> int | None:
    """The step from which on a path (steps + 1, 2) stays near the minimum; None where there is none."""
    heights = losses(surface, points)
    away = np.flatnonzero(heights > ARRIVED * heights[0])
    return int(away[-1]) + 1 if away[-1] + 1 < len(heights) else None


def best_rate(surface: Surface, optimiser: str, steps: int) -> float:
    """The one of RATES with which the path arrives first, or else ends lowest."""

    def rank(rate: float) -> tuple[float, float]:
        points = path(surface, optimiser, rate, steps)
        step = arrival(surface, points) if len(points) > steps else None
        end = float(losses(surface, points)[-1]) if len(points) > steps else np.inf
        return (np.inf if step is None else step, end)

    return min(RATES, key=rank)


def losses(surface: Surface, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The loss at each of the points (N, 2), above the lowest one there is: (N,)."""
    values = surface.loss(torch.from_numpy(points[:, 0]), torch.from_numpy(points[:, 1]))
    return values.numpy() - surface.lowest


def bowl(steepness: float = 20.0) -> Surface:
    """(u^2 + steepness v^2) / 2 with u, v turned by 30 degrees: its curvatures are 1 and `steepness`."""
    cos, sin = math.cos(math.pi / 6), math.sin(math.pi / 6)
    return Surface(
        "a narrow bowl",
        lambda x, y: ((cos * x + sin * y) ** 2 + steepness * (cos * y - sin * x) ** 2) / 2,
        start=(-2.0, -0.2), window=(-2.6, 1.4, -1.6, 1.2), lowest=0.0,
    )  # fmt: skip


def valley() -> Surface:
    """Rosenbrock's valley (The Computer Journal, 1960), ten times as steep across as along."""
    return Surface(
        "a bent valley",
        lambda x, y: (1 - x) ** 2 + 10 * (y - x**2) ** 2,
        start=(-1.2, 1.5), window=(-2.0, 2.0, -0.8, 2.6), lowest=0.0,
    )  # fmt: skip


def saddle() -> Surface:
    """x^2/2 - y^2/2 + y^4/4: flat in the middle, two minima at y = -1 and y = 1."""
    return Surface(
        "a saddle",
        lambda x, y: x**2 / 2 - y**2 / 2 + y**4 / 4,
        start=(-1.5, 0.001), window=(-2.0, 1.0, -1.6, 1.6), lowest=-0.25,
    )  # fmt: skip


def neuron(inputs: Tensor, targets: Tensor) -> Surface:
    """The cross entropy of one neuron with two weights and a sigmoid.

    Args:
        inputs: float64 (N, 2).
        targets: 0 or 1, float64 (N,).
    """

    def loss(x: Tensor, y: Tensor) -> Tensor:
        scores = x[..., None] * inputs[:, 0] + y[..., None] * inputs[:, 1]
        return F.softplus(scores).mean(-1) - (targets * scores).mean(-1)

    weights = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimiser.zero_grad()
        value = loss(weights[0], weights[1])
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())

    optimiser.step(closure)
    far = max(abs(float(weight)) for weight in weights.detach())
    return Surface(
        "one neuron, sixes and nines", loss, start=(-0.8 * far, -1.2 * far),
        window=(-1.8 * far, 1.8 * far, -1.8 * far, 1.8 * far),
        lowest=float(loss(weights[0], weights[1]).detach()),
    )  # fmt: skip


def six_or_nine(x: Tensor, y: Tensor, count: int = 200) -> tuple[Tensor, Tensor]:
    """What tells sixes from nines: the ink in the upper and in the lower half.

    Args:
        x: Digits, float32 (N, 1, 28, 28) in [0, 1].
        y: Their classes, int64 (N,).
        count: How many of them.

    Returns:
        Ten times the mean ink of both halves, float64 (count, 2); 1 for a six and 0 for a nine, (count,).
    """
    chosen = torch.isin(y, torch.tensor([6, 9])).nonzero()[:count, 0]
    halves = x[chosen, 0].double().unflatten(1, (2, 14)).mean((2, 3))
    return (10 * halves).round(decimals=3), (y[chosen] == 6).double()


def _contours(axis: Axes, surface: Surface, levels: int = 14, smooth: bool = True) -> None:
    x, y, loss = surface.grid()
    height = np.sqrt(np.maximum(loss - surface.lowest, 0))  # lines at equal distance in a bowl
    axis.contour(x, y, height, levels=levels, colors=LIGHT_BLUE, linewidths=0.7, antialiased=smooth)
    left, right, bottom, top = surface.window
    axis.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])


def draw_three_rates(workbench: Workbench, surface: Surface) -> Picture:
    """Thirty steps of gradient descent in the bowl: too small, right, too large."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
    rates = {"too small": 0.002, "right": 0.09, "too large": 0.1015}
    for axis, (name, rate) in zip(axes, rates.items(), strict=True):
        points = path(surface, "gradient descent", rate, 30)
        _contours(axis, surface)
        axis.plot(*points.T, ".-", color=RED, markersize=4, linewidth=1)
        axis.set(title=f"{name}: {rate:g}", xlabel="first weight")
    axes[0].set_ylabel("second weight")
    return workbench.save(
        figure, "bowl", "Thirty steps in a narrow bowl with a small, a good and a large rate."
    )


def animate(
    workbench: Workbench,
    all_surfaces: Mapping[str, Surface],
    paths: Mapping[str, Mapping[str, npt.NDArray[np.float64]]],
) -> Picture:
    """The paths by surface and optimiser as they grow; early steps get a frame each."""
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.3), dpi=DPI)
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.12, top=0.9, wspace=0.04)
    lines = []
    for axis, (name, surface) in zip(axes, all_surfaces.items(), strict=True):
        _contours(axis, surface, levels=6, smooth=False)  # a third of the file
        axis.set_title(surface.title, fontsize=10)
        for optimiser, points in paths[name].items():
            (line,) = axis.plot([], [], color=COLOURS[optimiser], linewidth=1.5, label=optimiser)
            (head,) = axis.plot([], [], "o", color=COLOURS[optimiser], markersize=5)
            lines.append((points, line, head))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="lower center", ncols=5, frameon=False)
    canvas = FigureCanvasAgg(figure)
    steps = max(len(points) for points, _, _ in lines)
    shown = sorted({round(steps ** (i / 19)) - 1 for i in range(20)})
    frames = []
    for step in workbench.track([*shown, *[steps - 1] * 3], "frames"):
        for points, line, head in lines:
            line.set_data(*points[: step + 1].T)
            head.set_data(*points[: step + 1][-1:].T)
        canvas.draw()
        frames.append(np.array(canvas.buffer_rgba())[..., :3])
    plt.close(figure)
    return workbench.save_animation(frames, "paths", "Five optimisers walk on four surfaces.", frame_ms=220)
