"""The loss surface around a trained CNN, with and without skip connections (Li et al., NeurIPS 2018).

Each filter of a direction is scaled to the length of the filter that it moves: networks can be compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from torch import Tensor, nn

from training.course.learning.batches import digits
from training.course.page import Listing, Page, Picture, Table
from training.course.workbench import RED, Workbench

WIDTH = 8
"""Channels of every convolution."""

BLOCKS = 20
"""Of two convolutions each: with far fewer, networks learn well without skips, too."""


class Block(nn.Module):
    """Two convolutions; with `skip` their input is added to what they make of it (He et al., CVPR 2016)."""

    def __init__(self, skip: bool) -> None:
        super().__init__()
        self.skip = skip
        self.layers = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU(),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(WIDTH),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """float32 (N, C, H, W) -> the same shape."""
        features = self.layers(x)
        return torch.relu(x + features if self.skip else features)


def cnn(blocks: int, skip: bool) -> nn.Sequential:
    """28 -> 7 pixels, then `blocks` blocks of two convolutions; the same weights with and without skips."""
    torch.manual_seed(0)
    stem = (nn.Conv2d(1, WIDTH, 4, stride=4, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU())
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(WIDTH, 10))
    return nn.Sequential(*stem, *(Block(skip) for _ in range(blocks)), *head)


def train(network: nn.Module, x: Tensor, y: Tensor, epochs: int, rate: float = 0.1) -> None:
    """One cycle of gradient descent with momentum; the network is then in eval mode."""
    sgd = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9, weight_decay=5e-4)
    steps = len(x) // 100 * epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(sgd, rate, total_steps=steps)
    generator = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for index in torch.randperm(len(x), generator=generator).split(100):
            loss = F.cross_entropy(network(x[index]), y[index])
            sgd.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            sgd.step()
            schedule.step()
    network.eval()


def filter_normalised_direction(network: nn.Module, seed: int) -> list[Tensor]:
    """A random direction: each filter d becomes d / |d| * |w|, and biases and batch norms stay (0).

    Returns:
        One tensor for each parameter, of its shape.
    """
    generator = torch.Generator().manual_seed(seed)
    direction = []
    for weights in network.parameters():
        random = torch.randn(weights.shape, generator=generator)
        if weights.ndim > 1:
            lengths = weights.detach().flatten(1).norm(dim=1) / random.flatten(1).norm(dim=1)
            direction.append(random * lengths.view(-1, *[1] * (weights.ndim - 1)))
        else:
            direction.append(torch.zeros_like(random))
    return direction


@torch.no_grad()
def move(network: nn.Module, centre: Sequence[Tensor], *steps: tuple[float, Sequence[Tensor]]) -> None:
    """Set the weights to centre + step * direction, summed over all steps."""
    for i, weights in enumerate(network.parameters()):
        weights.copy_(centre[i] + sum(length * direction[i] for length, direction in steps))


def loss_surface(
    network: nn.Module, x: Tensor, y: Tensor, directions: Sequence[Sequence[Tensor]], points: int
) -> npt.NDArray[np.float64]:
    """The loss in the plane of two directions, float64 (points, points); trained weights in the middle."""
    centre = [weights.detach().clone() for weights in network.parameters()]
    ticks = np.linspace(-1, 1, points)
    losses = np.empty((points, points))
    with torch.no_grad():
        for row, b in enumerate(ticks):
            for column, a in enumerate(ticks):
                move(network, centre, (float(a), directions[0]), (float(b), directions[1]))
                losses[row, column] = float(F.cross_entropy(network(x), y))
    move(network, centre)
    return losses


def curvatures(network: nn.Module, x: Tensor, y: Tensor, iterations: int) -> tuple[float, float]:
    """The largest and the smallest eigenvalue of the Hessian, by power iteration.

    A product of the Hessian with a vector v is the gradient of (gradient . v): no Hessian is ever stored. The
    first iteration finds the eigenvalue farthest from 0, the second, of the Hessian less that, the other end.
    """
    parameters = list(network.parameters())
    gradient = torch.autograd.grad(F.cross_entropy(network(x), y), parameters, create_graph=True)
    flat = torch.cat([part.flatten() for part in gradient])

    def times(vector: Tensor) -> Tensor:
        parts = torch.autograd.grad(flat @ vector, parameters, retain_graph=True)
        return torch.cat([part.flatten() for part in parts])

    def power_iteration(shift: float) -> float:
        vector = F.normalize(torch.randn(len(flat), generator=torch.Generator().manual_seed(0)), dim=0)
        for _ in range(iterations):
            vector = F.normalize(times(vector) - shift * vector, dim=0)
        return float(vector @ times(vector))

    second = power_iteration(first := power_iteration(0.0))
    return max(first, second), min(first, second)


@dataclass(frozen=True)
class Landscape:
    """What one network's surroundings look like.

    Attributes:
        surface: The loss in the plane, float64 (points, points).
        hessian: Its (largest, smallest) eigenvalue at STEPS along the first direction.
    """

    surface: npt.NDArray[np.float64]
    hessian: list[tuple[float, float]]

    @property
    def loss(self) -> float:
        """At the trained weights, in the middle of the surface."""
        return float(self.surface[len(self.surface) // 2, len(self.surface) // 2])

    @property
    def minima(self) -> int:
        """Points of the surface that are lower than all eight around them."""
        padded = np.pad(self.surface, 1, constant_values=np.inf)
        around = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).reshape(*self.surface.shape, 9)
        return int((self.surface < np.delete(around, 4, axis=-1).min(-1)).sum())

    @property
    def ratios(self) -> list[float]:
        """|smallest / largest| eigenvalue: 0 where the surface is convex."""
        return [abs(min(low, 0.0)) / high for high, low in self.hessian]


STEPS = (0.0, 0.5)
"""How far along the first direction the Hessian is looked at."""


def explore(workbench: Workbench, skip: bool, x: Tensor, y: Tensor) -> Landscape:
    """Train a network and look around it."""
    network = cnn(BLOCKS, skip)
    train(network, x, y, workbench.size(5, 3))
    few = (x[:200], y[:200])
    directions = [filter_normalised_direction(network, seed) for seed in (1, 2)]
    surface = loss_surface(network, *few, directions, workbench.size(23, 7))
    centre, hessian = [weights.detach().clone() for weights in network.parameters()], []
    for step in STEPS:
        move(network, centre, (step, directions[0]))
        hessian.append(curvatures(network, *few, workbench.size(15, 2)))
    return Landscape(surface, hessian)


def run(workbench: Workbench) -> Page:
    """Two networks that differ in their skip connections only, and their surroundings."""
    x, y, *_ = digits(workbench, workbench.size(6000, 2500), 0)
    kinds = (("with skips", True), ("without skips", False))
    lands = {name: explore(workbench, skip, x, y) for name, skip in workbench.track(kinds, "networks")}
    on, off = lands.values()
    layers = 2 * BLOCKS + 2  # and the first and the last
    return Page(
        title="Loss landscapes",
        claim="How well a network learns depends on its loss surface, and skips make that smooth.",
        holds=on.loss < off.loss and on.minima < off.minima,
        verdict=f"After the same training the network of {layers} layers has a loss of {on.loss:.2f} with"
        f" skip connections and {off.loss:.2f} without. In the plane around it, {len(on.surface)} x"
        f" {len(on.surface)} points, the first has {on.minima} local"
        f" {'minimum' if on.minima == 1 else 'minima'}, the second {off.minima}.",
        blocks=[
            "## Two directions of thousands",
            f"The two networks have {layers} layers of {WIDTH} channels, start from the same weights, see"
            " the same digits in the same order and differ in one thing: whether a block adds its input to"
            " its output. Two random directions through the trained weights span a plane, and the loss is"
            " measured on a grid there.",
            Listing("a filter's direction:  d <- d / |d| * |w|\nloss at (a, b):        L(w + a d1 + b d2)"),
            "Without it, weights twice as long, which answer the same behind a batch norm, would look flat.",
            _draw(workbench, lands),
            "Colours and heights are logarithms, on one scale for both. Where there is one basin, a ball"
            " set down anywhere rolls to the middle. Where there are several, a slope says little about"
            " where the lowest one lies.",
            "## Curvature",
            "The Hessian holds the second derivatives of the loss for all pairs of weights. Its largest"
            " eigenvalue is the steepest curvature, which limits the learning rate; a negative one is a"
            " direction in which the loss bends down, and |smallest / largest| says how far from convex the"
            " surface is. The smallest converges slowly: these few iterations give a bound.",
            Table(
                ("network", "along the first direction", "largest eigenvalue", "smallest", "ratio"),
                [[name, step, f"{high:.3g}", f"{low:.3g}", f"{ratio:.1g}"] for name, land in lands.items()
                 for step, (high, low), ratio in zip(STEPS, land.hessian, land.ratios, strict=True)],
            ),
            "Two planes through two small networks are no proof. Li and others find the same around"
            " ResNet-56 on CIFAR-10, and that shallow networks do well without skips.",
        ],
        code=["training/course/learning/landscape.py"],
        try_this="Set BLOCKS in training/course/learning/landscape.py to 4 and run `python -m training lab"
        " landscape`: does a shallow network need its skips?",
        values={"loss_with": on.loss, "loss_without": off.loss,
                "minima_with": on.minima, "minima_without": off.minima},
    )  # fmt: skip


def _draw(workbench: Workbench, lands: dict[str, Landscape]) -> Picture:
    figure = plt.figure(figsize=(12, 9), layout="constrained")
    heights = {name: np.log10(land.surface) for name, land in lands.items()}
    low = min(float(height.min()) for height in heights.values())
    high = min(max(float(height.max()) for height in heights.values()), 2.5)
    levels = np.linspace(low, high, 22)
    powers = range(int(np.ceil(low)), int(high) + 1)
    for column, (name, height) in enumerate(heights.items()):
        a, b = np.meshgrid(*[np.linspace(-1, 1, len(height))] * 2)
        height = np.clip(height, low, high)
        above = figure.add_subplot(2, 2, column + 1, projection="3d")
        above.plot_surface(a, b, height, cmap="viridis", vmin=low, vmax=high, rstride=1, cstride=1)
        above.set(zlim=(low, high), title=name, xlabel="first direction", ylabel="second direction")
        above.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1))
        above.set_zticks(powers, [f"{10.0**power:g}" for power in powers])
        below = figure.add_subplot(2, 2, column + 3)
        shown = below.contourf(a, b, height, levels=levels, cmap="viridis")
        below.plot(0, 0, "+", color=RED, markersize=12)
        below.set(xlabel="first direction", ylabel="second direction", aspect="equal")
    bar = figure.colorbar(shown, None, figure.axes[1::2], label="cross entropy")
    bar.set_ticks(powers, labels=[f"{10.0**power:g}" for power in powers])
    return workbench.save(figure, "surface", "The loss around both networks, in 3-D and as contours.")
