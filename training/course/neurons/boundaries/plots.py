"""Pictures of lab neuron: outputs over the plane of two inputs, as colours, contours and surfaces."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from training.course.neurons.boundaries.gates import ACTIVATIONS, GATES, POINTS, Array, neuron
from training.course.page import Block
from training.course.workbench import BLUE, RED

NO_TO_YES = LinearSegmentedColormap.from_list("no to yes", [RED, "white", BLUE])

LABEL = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}

WEIGHTS = np.array([-0.5, 1.0, 2.0])
"""(b, w1, w2) of the neuron whose activations are drawn."""


@dataclass(frozen=True)
class Section:
    """A part of the lab's page with its figures."""

    blocks: list[Block]
    values: dict[str, float]


def grid(low: float, high: float, count: int = 120) -> tuple[Array, Array]:
    """A square grid: the axis (count,) and its points (count^2, 2), row by row."""
    axis = np.linspace(low, high, count)
    x, y = np.meshgrid(axis, axis)
    return axis, np.column_stack([x.ravel(), y.ravel()])


def activations_figure() -> Figure:
    """For each activation the output of one neuron as a surface and as contours."""
    figure = plt.figure(figsize=(12, 6.6))
    axis, points = grid(-3, 3, 60)
    x, y = np.meshgrid(axis, axis)
    for column, (name, activation) in enumerate(ACTIVATIONS.items(), start=1):
        output = neuron(WEIGHTS, points, activation).reshape(x.shape)
        surface = figure.add_subplot(2, 4, column, projection="3d")
        surface.plot_surface(x, y, output, cmap=NO_TO_YES, rstride=1, cstride=1, linewidth=0)
        surface.set(title=name, xlabel="$x_1$", ylabel="$x_2$")
        surface.view_init(28, -125)
        surface.set_box_aspect((1, 1, 0.9), zoom=1.15)
        contour = figure.add_subplot(2, 4, column + 4)
        contour.contourf(x, y, output, levels=12, cmap=NO_TO_YES)
        contour.contour(x, y, x * WEIGHTS[1] + y * WEIGHTS[2] + WEIGHTS[0], levels=[0], colors="black")
        contour.arrow(0, 0.25, *(0.6 * WEIGHTS[1:]), width=0.05, color="black", length_includes_head=True)
        contour.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    figure.subplots_adjust(left=0.05, right=0.97, top=0.94, bottom=0.08, hspace=0.2, wspace=0.28)
    return figure


def gates_figure(deciders: Sequence[tuple[str, str, Callable[[Array], Array]]]) -> Figure:
    """Six decisions: the title, the gate and the output (N,) in [0, 1] of points (N, 2)."""
    figure, rows = plt.subplots(2, 3, figsize=(12, 7.6), layout="constrained")
    axis, points = grid(-0.5, 1.5)
    for axes, (title, gate, output) in zip(rows.ravel(), deciders, strict=True):
        plane = output(points).reshape(len(axis), -1)
        drawn = axes.imshow(plane, NO_TO_YES, vmin=0, vmax=1, origin="lower", extent=(-0.5, 1.5) * 2)
        if np.ptp(plane) > 0.01:
            axes.contour(axis, axis, plane, levels=[0.5], colors="black")
        for point, truth, said in zip(POINTS, GATES[gate], output(POINTS), strict=True):
            axes.scatter(*point, s=90, c=BLUE if truth else RED, edgecolors="white", linewidths=1.5)
            axes.annotate(
                f"{said:.2f}", point, xytext=(0, 12), textcoords="offset points", ha="center", bbox=LABEL
            )
        axes.set(title=title, xlabel="$x_1$", ylabel="$x_2$", xticks=(0, 1), yticks=(0, 1))
    figure.colorbar(drawn, None, rows, label="output", shrink=0.6)
    return figure
