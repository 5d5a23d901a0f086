"""Galton's heights: one linear layer, trained by gradient descent, finds the least-squares line.

The line is where the word regression comes from (Galton, Journal of the Anthropological Institute, 1886); the
data are his table (training/course/neurons/heights.py).
"""

import textwrap
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
import onnx
import onnxruntime as ort
import torch
from matplotlib.figure import Figure
from onnx import TensorProto, helper
from torch import Tensor, nn

from models.model import ZOO, open_model
from models.onnx_file.contract import ContractViolation, check_graph
from training.course.neurons.heights import CHILDREN_IN, PARENTS_IN, TABLE, Floats, heights
from training.course.page import Listing, Page, Table
from training.course.workbench import BLUE, GREY, LIGHT_BLUE, ORANGE, RED, Workbench

GALTONS_SLOPE = 2 / 3
"""What Galton read off his drawing of this table."""

STEPS = 100
RATE = 0.1


@dataclass(frozen=True)
class Line:
    """y = slope x + intercept, in inches."""

    slope: float
    intercept: float

    def __call__(self, x: float) -> float:
        """The height on the line."""
        return self.slope * x + self.intercept


def least_squares(x: Floats, y: Floats) -> Line:
    """The line with the smallest squared error, in closed form: cov(x, y) / var(x), through the means."""
    slope = float(((x - x.mean()) * (y - y.mean())).mean() / x.var())
    return Line(slope, float(y.mean() - slope * x.mean()))


def gradient_descent(x: Floats, y: Floats, steps: int, rate: float) -> list[tuple[float, float, float]]:
    """Train nn.Linear(1, 1) from zero on the mean squared error of all pairs.

    Returns:
        Weight, bias and loss before each step and after the last.
    """
    layer = nn.Linear(1, 1).double()
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    optimizer = torch.optim.SGD(layer.parameters(), lr=rate)
    inputs, targets = torch.from_numpy(x)[:, None], torch.from_numpy(y)[:, None]
    path = []
    for _ in range(steps + 1):
        loss: Tensor = nn.functional.mse_loss(layer(inputs), targets)
        path.append((layer.weight.item(), layer.bias.item(), loss.item()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return path


def standardised(values: Floats) -> Floats:
    """Mean 0, standard deviation 1."""
    return (values - values.mean()) / values.std()


def in_inches(weight: float, bias: float, x: Floats, y: Floats) -> Line:
    """The line of a layer that was trained on standardised heights."""
    slope = weight * float(y.std() / x.std())
    return Line(slope, float(y.mean() + bias * y.std() - slope * x.mean()))


def condition_number(x: Floats) -> float:
    """Ratio of the eigenvalues of the loss's Hessian, [[mean x^2, mean x], [mean x, 1]] times 2.

    Gradient descent needs about as many steps to come e times nearer along the flatter axis.
    """
    low, high = np.linalg.eigvalsh([[np.mean(x**2), x.mean()], [x.mean(), 1.0]])
    return float(high / low)


def refusal(line: Line) -> str:
    """What the contract of served models says to an ONNX graph of this line: a height in, a height out."""
    height = helper.make_tensor_value_info("height", TensorProto.FLOAT, ["N", 1])
    value = helper.make_tensor_value_info("value", TensorProto.FLOAT, ["N", 1])
    weights = [
        helper.make_tensor("weight", TensorProto.FLOAT, [1, 1], [line.slope]),
        helper.make_tensor("bias", TensorProto.FLOAT, [1], [line.intercept]),
    ]
    node = helper.make_node("Gemm", ["height", "weight", "bias"], ["value"])
    graph = helper.make_graph([node], "galton", [height], [value], weights)
    opset = helper.make_opsetid("", 17)
    file = onnx.helper.make_model_gen_version(graph, opset_imports=[opset]).SerializeToString()
    session = ort.InferenceSession(file, providers=["CPUExecutionProvider"])
    tall = np.array([[72.0]], np.float32)
    assert np.allclose(session.run(None, {"height": tall})[0], line(72.0), rtol=1e-5)
    try:
        check_graph(open_model(ZOO / "cars-mlp.onnx").card, session)
    except ContractViolation as violation:
        return str(violation)
    return ""


def run(workbench: Workbench) -> Page:
    """Fit the line in closed form and by gradient descent; ask the contract whether it can be served."""
    x, y = heights()
    exact, back = least_squares(x, y), least_squares(y, x)
    path = gradient_descent(standardised(x), standardised(y), STEPS, RATE)
    learned = in_inches(*path[-1][:2], x, y)
    raw_condition = condition_number(x)
    # Half of the largest stable rate: 2 over the larger eigenvalue, which is nearly 2 (mean x^2 + 1).
    raw = gradient_descent(x, y, workbench.size(2000, 500), 0.5 / float(np.mean(x**2) + 1))
    slopes = {"learned": learned.slope, "exact": exact.slope, "back": back.slope, "raw": raw[-1][0]}
    difference = max(abs(learned.slope - exact.slope), abs(learned.intercept - exact.intercept))
    tall, short = ([of[side].mean() - of.mean() for of in (x, y)] for side in (x > 71, x < 66))
    why_not = refusal(exact)
    return Page(
        title="Galton's heights",
        claim="A linear layer trained by gradient descent is linear regression, and Galton's children show"
        " what the word means: they regress to the mean by a third.",
        holds=difference < 1e-6 and abs(exact.slope - GALTONS_SLOPE) < 0.05 and slopes["back"] < 1,
        verdict=f"After {STEPS} steps the layer is y = {learned.slope:.4f} x + {learned.intercept:.2f}"
        f" inches, within {_power(difference)} of the least-squares line of {len(x)} children. Its slope is"
        f" near the 2/3 that Galton read off his table: parents {tall[0]:.1f} inches above the mean have"
        f" children {tall[1]:.1f} above it, parents {-short[0]:.1f} below it have children {-short[1]:.1f}"
        " below.",
        blocks=[
            "## Regression to the mean",
            workbench.save(
                _scatter(x, y, exact, back), "heights",
                "Circles for Galton's table, the fitted line flatter than the line of equal heights",
            ),
            "Each circle is one cell of the table, as large as the number of children in it. On the dotted"
            " line children would be as tall as their parents. The fitted line is flatter: who has tall"
            " parents is tall, but less so. Nothing pulls anybody to the middle. Very tall parents are tall"
            " by inheritance and by luck, and only the inheritance is passed on.",
            "The argument also runs backwards: predicted from the children, the parents' line has the slope"
            f" {back.slope:.2f}, so very tall children have shorter parents, too. A cause would have a"
            f" direction. Both slopes together, {exact.slope:.2f} times {back.slope:.2f}, make the squared"
            f" correlation, {exact.slope * back.slope:.2f}: the part of the children's variance that the"
            " parents' height explains.",
            "## A linear layer finds the line",
            Listing(
                "y = w x + b          loss L = mean (w x + b - y)^2\n"
                "dL/dw = 2 mean (w x + b - y) x          w <- w - rate dL/dw\n"
                "dL/db = 2 mean (w x + b - y)            b <- b - rate dL/db\n\n"
                "in closed form:  w = cov(x, y) / var(x),   b = mean y - w mean x"
            ),
            Table(("found by", "slope", "intercept, inches"), [
                ("formula", f"{exact.slope:.6f}", f"{exact.intercept:.4f}"),
                (f"nn.Linear, {STEPS} steps", f"{learned.slope:.6f}", f"{learned.intercept:.4f}"),
                (f"on raw inches, {len(raw) - 1:,} steps", f"{raw[-1][0]:.6f}", f"{raw[-1][1]:.4f}"),
            ]),
            workbench.save(
                _descent(path, x, y, exact), "descent",
                "The line turns from flat to its slope within some twenty steps while the loss falls",
            ),
            "The layer sees heights with mean 0 and standard deviation 1. On raw inches it fails: the"
            f" squared heights, some {np.mean(x**2):,.0f}, allow only a tiny learning rate, and after"
            f" {len(raw) - 1:,} steps the slope is still {raw[-1][0]:.2f}, a line through the origin that"
            f" sees no regression at all. The loss is {raw_condition:,.0f} times steeper across its valley"
            " than along it; standardised it is a round bowl. This is why pictures are normalised before"
            " they enter a network.",
            "## Can it be served?",
            "Numbers in, a number out, would be a third kind of model. The engine does not take it without"
            " special cases, so it is not served. This run exports the line to ONNX, where it answers like"
            " the formula, and shows it to the check that every file passes before it is opened. It is"
            " refused; the graph",
            Listing(textwrap.fill(why_not, 100)),
            "The check is right, because pictures are what every stage behind it works on:",
            Table(("file", "what it expects"), [
                ("models/card.py", "a `view` of pictures, golden pictures, a currency as `unit`"),
                ("models/onnx_file/contract.py", "one input `pixels`, uint8; an output `familiarity`"),
                ("service/inference/pipeline.py", "bytes that decode to a picture, and its view"),
                ("service/answers.py", "a `price`, rounded to whole units of a currency"),
            ]),
            "A view that reads a height off a picture's bytes would pass, and would be the special case in"
            " disguise. A number needs none of what the service is for: no decoding, no batching, no GPU."
            " The formula is shorter.",
        ],
        code=[f"training/course/neurons/{name}.py" for name in ("galton", "heights")]
        + ["models/onnx_file/contract.py"],
        try_this="Set RATE in training/course/neurons/galton.py to 1.01, above the largest stable rate of a"
        " standardised loss, and run `python -m training lab galton`: the slope alternates and grows at"
        " every step.",
        values=slopes | {
            "difference": difference, "children": float(len(x)), "intercept": exact.intercept,
            "correlation": (exact.slope * back.slope) ** 0.5, "condition_raw": raw_condition,
            "condition": condition_number(standardised(x)), "refused": float(bool(why_not)),
        },
    )  # fmt: skip


def _scatter(x: Floats, y: Floats, exact: Line, back: Line) -> Figure:
    """The table as circles, the lines of both regressions, and that of equal heights."""
    figure, axis = plt.subplots(figsize=(9, 6.2), layout="constrained")
    rows, columns = np.nonzero(TABLE)
    axis.scatter(
        np.array(PARENTS_IN)[rows], np.array(CHILDREN_IN)[columns], 9 * TABLE[rows, columns],
        color=LIGHT_BLUE, edgecolor="white", linewidth=0.5,
    )  # fmt: skip
    ends = np.array([63.5, 73.5])
    axis.plot(ends, ends, ":", color=GREY, label="as tall as the parents")
    label = f"children from parents: slope {exact.slope:.2f}"
    axis.plot(ends, [exact(end) for end in ends], color=BLUE, linewidth=2.5, label=label)
    children = np.array([61.7, 73.7])
    label = f"parents from children: slope {back.slope:.2f}"
    axis.plot([back(child) for child in children], children, "--", color=ORANGE, label=label)
    means = [y[x == parent].mean() for parent in PARENTS_IN]
    axis.plot(PARENTS_IN, means, "o", color=RED, markersize=5, label="mean of the children")
    axis.set(xlabel="mean height of the parents, inches", ylabel="height of the child, inches")
    axis.legend(frameon=False, loc="upper left")
    return figure


def _descent(path: list[tuple[float, float, float]], x: Floats, y: Floats, exact: Line) -> Figure:
    """The line after some steps, and the loss above that of the least-squares line after each."""
    figure, (axis, losses) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    ends = np.array([63.5, 73.5])
    shown = (0, 1, 3, 6, 12, len(path) - 1)
    for step, shade in zip(shown, np.linspace(0.75, 0, len(shown)), strict=True):
        line = in_inches(*path[step][:2], x, y)
        colour = BLUE if step == shown[-1] else str(shade)
        axis.plot(ends, [line(end) for end in ends], color=colour, label=f"step {step}, {line.slope:.2f}")
    axis.set(xlabel="mean height of the parents, inches", ylabel="height of the child, inches")
    axis.legend(frameon=False, title="step, slope")
    least = float(np.mean((y - exact.slope * x - exact.intercept) ** 2) / y.var())
    excess = np.array([loss for _, _, loss in path]) - least
    steps = np.flatnonzero(excess > 1e-14)
    losses.semilogy(steps, excess[steps], color=BLUE)
    losses.set(xlabel="step", ylabel="loss above the least possible")
    losses.grid(alpha=0.3)
    return figure


def _power(value: float) -> str:
    """The power of ten above a small number."""
    return f"10^{int(np.ceil(np.log10(max(value, 1e-15))))}"
