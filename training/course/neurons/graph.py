"""Lab graph: from f = (x + y) z to the gradient of a served network, with every number on the edges.

The engine is training/course/neurons/autograd.py; training/course/neurons/derivatives.py is what it is
asked for.
"""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from training.course.neurons.autograd import Value, backpropagate, topological_order
from training.course.neurons.derivatives import (
    INPUTS,
    LECTURE_WEIGHTS,
    MINIMUM,
    SADDLE,
    TARGETS,
    WEIGHTS,
    Array,
    descend,
    difference_errors,
    digit_gradients,
    hessian_at,
    layer_jacobian,
    neuron_loss,
    product,
    weight_gradient,
)
from training.course.page import Listing, Page, Table
from training.course.workbench import BLUE, GREEN, GREY, LIGHT_BLUE, ORANGE, RED, Workbench

STEPS = np.logspace(-12, 0, 49)
"""Of the numerical derivatives."""

WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
"""Behind numbers that stand on lines."""


def layout(result: Value) -> dict[Value, tuple[float, float]]:
    """A place for each value: columns by the distance to the result, inputs in rows from the top."""
    order = topological_order(result)
    column = {result: 0}
    for value in reversed(order):
        for parent in value.parents:
            column[parent] = min(column.get(parent, 0), column[value] - 1)
    row: dict[Value, float] = {}
    for value in order:
        rows = [row[parent] for parent in value.parents]
        row[value] = float(np.mean(rows)) if rows else -float(sum(not v.parents for v in row))
    return {value: (column[value], row[value]) for value in order}


def draw(axes: Axes, result: Value, result_name: str) -> None:
    """The graph from left to right: on each edge the value in blue and the gradient in red."""
    places, gradients = layout(result), backpropagate(result)
    for value, (x, y) in places.items():
        for parent, local in zip(value.parents, value.local(value), strict=True):
            _edge(axes, places[parent], (x, y), parent.data, gradients[value].data * local.data)
        style = {"boxstyle": "circle" if value.parents else "round", "facecolor": "white", "pad": 0.5}
        style["edgecolor"] = GREY
        axes.text(x, y, value.name or value.operation, ha="center", va="center", fontsize=13, bbox=style)
    x, y = places[result]
    _edge(axes, (x, y), (x + 1, y), result.data, 1.0)
    axes.text(x + 1.05, y, result_name, ha="left", va="center", fontsize=13)
    left, bottom = np.min(list(places.values()), axis=0)
    axes.set(xlim=(left - 0.3, 1.4), ylim=(bottom - 0.5, 0.5))
    axes.axis("off")


def _edge(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], value: float, gradient: float
) -> None:
    arrow = {"arrowstyle": "-|>", "color": GREY, "shrinkA": 19, "shrinkB": 19}
    axes.annotate("", end, start, arrowprops=arrow)
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    for text, colour, align in ((f"{value:.3g}", BLUE, "bottom"), (f"{gradient:.3g}", RED, "top")):
        axes.text(x, y, text, color=colour, ha="center", va=align, fontsize=11, bbox=WHITE)


def _graphs() -> tuple[Figure, Figure]:
    first, axes = plt.subplots(figsize=(10, 3.6), layout="constrained")
    draw(axes, product(Value(-2.0, "x"), Value(5.0, "y"), Value(-4.0, "z")), "f")
    second, axes = plt.subplots(figsize=(12, 4.8), layout="constrained")
    weights = [Value(w, name) for w, name in zip(WEIGHTS, ("b", "w₁", "w₂"), strict=True)]
    draw(axes, neuron_loss(weights), "loss")
    return first, second


def _errors_figure(errors: dict[str, Array]) -> Figure:
    figure, axes = plt.subplots(figsize=(9, 4.2), layout="constrained")
    for (name, values), colour in zip(errors.items(), (ORANGE, BLUE), strict=True):
        axes.loglog(STEPS, values, "o-", color=colour, markersize=3, label=name)
    axes.set(xlabel="step h", ylabel="relative error", title="Too small is as bad as too large")
    axes.legend()
    axes.grid(alpha=0.3)
    return figure


def _surface_figure(path: Array, losses: dict[str, Array]) -> Figure:
    w1, w2 = np.meshgrid(np.linspace(-2.2, 2.2, 60), np.linspace(-2.6, 2.6, 60))
    surface = np.mean((w2[..., None] * np.tanh(w1[..., None] * INPUTS) - TARGETS) ** 2, axis=-1)
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.8), layout="constrained")
    left.contour(w1, w2, surface, levels=np.geomspace(0.02, 12, 16), colors=LIGHT_BLUE)
    left.plot(*path.T, ".-", color=ORANGE, markersize=5, label="gradient descent")
    for place, name in ((SADDLE, "saddle"), (MINIMUM, "minimum")):
        eigenvalues, directions = np.linalg.eigh(hessian_at(*place))
        for eigenvalue, direction in zip(eigenvalues, directions.T, strict=True):
            ends = np.array(place) + np.outer((-0.7, 0.7), direction)
            left.plot(*ends.T, color=GREEN if eigenvalue > 0 else RED, linewidth=2)
            left.annotate(f"{eigenvalue:+.2f}", ends[1], color=GREEN if eigenvalue > 0 else RED, bbox=WHITE)
        left.annotate(name, place, xytext=(10, -16), textcoords="offset points", bbox=WHITE)
    left.set(xlabel="$w_1$", ylabel="$w_2$", title="Curvature by the eigenvectors of the Hessian")
    left.legend(loc="upper left")
    for (name, values), colour in zip(losses.items(), (BLUE, RED), strict=True):
        right.semilogy(values, color=colour, label=name)
    right.set(xlabel="steps", ylabel="loss", title="Both sides of the learning rate 2 / λ")
    right.legend()
    right.grid(alpha=0.3)
    return figure


def run(workbench: Workbench) -> Page:
    """Draw graphs, check their derivatives, go to second order, and do it to a served network."""
    saturated = weight_gradient(LECTURE_WEIGHTS)[1]
    learning = weight_gradient(WEIGHTS)[1]
    errors = difference_errors(STEPS)
    best = {name: (float(error.min()), float(STEPS[error.argmin()])) for name, error in errors.items()}
    (forward, forward_step), (central, central_step) = best.values()
    layer, layer_error = layer_jacobian()
    at_saddle, at_minimum = (np.linalg.eigvalsh(hessian_at(*place)).tolist() for place in (SADDLE, MINIMUM))
    limit = 2 / at_minimum[1]
    path, _ = descend((0.1, -0.02), 0.4, 40)
    near = (MINIMUM[0] + 1e-3, MINIMUM[1])
    losses = {f"{factor} · 2 / λ": descend(near, factor * limit, 60)[1] for factor in (0.9, 1.1)}
    below, above = losses.values()
    difference, parameters, size = digit_gradients(workbench.data)

    values = {
        "best_forward_error": forward,
        "best_central_error": central,
        "tiny_step_error": errors["central difference"][0],
        "large_step_error": errors["central difference"][-1],
        "learning_gradient": learning,
        "saturated_gradient": saturated,
        "jacobian_error": layer_error,
        "saddle_low": at_saddle[0],
        "saddle_high": at_saddle[1],
        "minimum_low": at_minimum[0],
        "minimum_high": at_minimum[1],
        "loss_ratio_below": below[-1] / below[0],
        "loss_ratio_above": above.max() / above[0],
        "served_parameters": parameters,
        "served_difference": difference,
    }
    holds = max(layer_error, difference) < 1e-10 and central < 1e-8
    first, second = _graphs()
    blocks = [
        "## f = (x + y) z",
        "The graph of a formula has one node for each operation. Forward, numbers flow from the inputs to"
        " the result; they stand in blue on the edges. Backward, each node multiplies what comes from the"
        " right (how much the result changes with its output) with its own derivative (how much its output"
        " changes with its input). The products, in red, are the derivatives of f by whatever stands at the"
        " left end.",
        workbench.save(
            first,
            "product",
            "The graph of f = (x + y) z for x = -2, y = 5, z = -4, with values and gradients on its edges.",
        ),
        "An addition hands the gradient on to both inputs unchanged. A multiplication hands to each input the"
        " gradient times the other input: f changes by q = x + y = 3 for each unit of z.",
        "## A neuron",
        "The same engine takes a neuron apart: two products, two sums, a sigmoid, and the squared distance"
        " from the target 0. Only the three red numbers beside b, w₁ and w₂ are used in learning; all"
        " others are needed on the way to them.",
        workbench.save(
            second, "neuron", "The graph of a sigmoid neuron and its squared loss, with values and gradients."
        ),
        f"With these weights the loss changes by {learning:.3f} for each unit of w₁. Take the lectures'"
        " weights for AND instead, (-30, 20, 20), and tell the neuron that 1 AND 1 should be 0: it is as"
        f" wrong as can be, and the derivative is {saturated:.5f}, because a sigmoid at z = 10 is flat. A"
        " squared loss behind a sigmoid learns least where it errs most; this is why classifiers use cross"
        " entropy.",
        "## Numerical and exact derivatives",
        "A derivative can also be had without calculus: move the weight by h, see how the loss changes. The"
        " forward difference errs by about h, the central one by about h². But the smaller h, the more equal"
        " the two losses are, and their difference is made of rounding errors.",
        workbench.save(
            _errors_figure(errors),
            "errors",
            "The error of forward and central differences against the step: falling, then rising with"
            " rounding.",
        ),
        f"The best forward difference errs by {forward:.0e} of the derivative at h = {forward_step:.0e}, the"
        f" best central one by {central:.0e} at h = {central_step:.0e}. Good enough to check a gradient, not"
        " to learn by: each derivative takes two runs of the network.",
        "## One walk back through a served network",
        f"The weights of models/zoo/digits-linear.onnx and the first test digit make a graph of {size:,}"
        f" numbers from the pixels to the cross entropy. One walk back gives all {parameters:,} derivatives,"
        f" equal to torch's to {difference:.0e} of the largest. Central differences would have run the"
        f" network {2 * parameters:,} times. This ratio is why networks can be trained at all.",
        "## The Jacobian of a layer",
        "Where a function has several outputs, its derivatives are a matrix. For y = tanh(W x + b) with three"
        " inputs and two outputs, row i says how output i changes with each input. (The lectures write the"
        " transpose: a row for each input.)",
        Listing("\n".join("  ".join(f"{entry:8.4f}" for entry in row) for row in layer)),
        f"By hand it is W with row i multiplied by 1 - y², the slope of tanh at output i. The largest"
        f" difference is {layer_error:.1g}. A layer's step of backpropagation is a product with this matrix.",
        "## The Hessian of a loss",
        "The derivatives are made of the same nodes as the loss, so they have derivatives too. For two"
        " weights these are a 2 x 2 matrix, the Hessian; its eigenvalues say how the loss bends along its"
        " eigenvectors. The loss here is that of a network with two weights, w₂ tanh(w₁ x).",
        workbench.save(
            _surface_figure(path, losses),
            "hessian",
            "Contours of a two-weight loss with a saddle and two minima; below, the loss at two learning"
            " rates.",
        ),
        Table(
            ("place", "smaller eigenvalue", "larger eigenvalue"),
            [
                (name, f"{low:.3f}", f"{high:.3f}")
                for name, (low, high) in (("saddle (0, 0)", at_saddle), ("minimum (0.8, 1.5)", at_minimum))
            ],
        ),
        "At the saddle the gradient is 0, but one eigenvalue is negative: that is the way out, and gradient"
        " descent takes it. At the minimum both are positive. Gradient descent with the learning rate r"
        " multiplies the distance along an eigenvector by 1 - rλ in each step, so it is thrown out of the"
        f" minimum from r = 2 / λ = {limit:.2f} on: ten per cent below that, 60 steps shrink the loss to"
        f" {below[-1] / below[0]:.0e} of what it was; ten per cent above, it grows"
        f" {above.max() / above[0]:,.0f} times.",
        "A network with n weights has a Hessian of n² numbers: 62 million for digits-linear, which is why one"
        " works with its products with vectors, or not at all.",
    ]
    return Page(
        title="The computation graph",
        claim="A formula is a graph of simple operations; multiplying local derivatives backwards along its"
        " edges gives all derivatives of the result in one walk.",
        holds=holds,
        verdict=f"One walk back through digits-linear, number by number, gives {parameters:,} derivatives"
        f" that differ from torch's by {difference:.0e} of the largest; central differences, two runs for"
        f" each, get no nearer than {central:.0e}.",
        blocks=blocks,
        code=[f"training/course/neurons/{name}.py" for name in ("autograd", "derivatives", "graph")],
        try_this="Add `cos` to `Value` in training/course/neurons/autograd.py, with its derivative, use it"
        " in `product` of training/course/neurons/derivatives.py, and look at the graph that `python -m"
        " training lab graph` draws.",
        values=values,
    )
