"""Lab shapes: the lectures' matrix products, what goes wrong with them, and batches on their way.

The mistakes are in training/course/neurons/dimensions/mistakes.py, the walk of a batch through the served
networks in training/course/neurons/dimensions/walk.py.
"""

from collections.abc import Sequence
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from models.model import ZOO, find_model_files
from training.course.neurons.dimensions.mistakes import Mistake, mistakes, outcome
from training.course.neurons.dimensions.walk import Step, as_text, folded, walk
from training.course.page import Block, Listing, Page, Table
from training.course.workbench import BLUE, ORANGE, Workbench
from training.recipes import RECIPES

BATCH = 200
"""The lectures' mini-batch."""

COMPARED = ("digits-linear", "digits-mlp", "digits-cnn", "fashion-cnn", "cars-mlp", "cars-cnn")
"""Served networks that are also built as they were trained, to compare their parameters."""


def products() -> list[tuple[str, Tensor, Tensor]]:
    """The products of the lectures: what each is, its left and its right side."""
    random = partial(torch.randn, generator=torch.Generator().manual_seed(0))
    ten_to_forty = torch.tensor([[11.0, 12, 13, 14], [21, 22, 23, 24], [31, 32, 33, 34], [41, 42, 43, 44]])
    return [
        ("one output unit, Z = X W", random(1, 4), random(4, 1)),
        ("one hidden layer of four, Z = X W", random(1, 3), random(3, 4)),
        ("the layer as W x", random(5, 3), random(3, 1)),
        ("seven inputs at once, W X", random(5, 3), random(3, 7)),
        ("practice, a row", torch.tensor([[0.1, 0.2, 0.3, 0.4]]), ten_to_forty / 100),
        ("practice, 2 x 2", torch.tensor([[2.0, -2], [5, 3]]), torch.tensor([[-1.0, 4], [7, -6]])),
        (
            "practice, 3 x 3",
            torch.tensor([[1.0, 2, 1], [0, 1, 0], [2, 3, 4]]),
            torch.tensor([[2.0, 5], [6, 7], [1, 8]]),
        ),
        ("an outer product, e x^T", random(4, 1), random(1, 784)),
        ("200 outer products in one, E X^T", random(4, BATCH), random(BATCH, 784)),
        ("a picture of 3 x 32 x 32 to ten scores, W x", random(10, 3072), random(3072, 1)),
    ]


def product_by_hand(left: Tensor, right: Tensor) -> Tensor:
    """(n, m) times (m, p): entry (i, k) is the inner product of row i and column k."""
    (n, m), (_, p) = left.shape, right.shape
    result = torch.zeros(n, p)
    for j in range(m):
        # All rows and columns at once: an (n, p) outer product for each of the m terms.
        result += left[:, j, None] * right[None, j]
    return result


def trained_parameters(name: str) -> tuple[int, int]:
    """Of the network that was trained: all parameters, and channels with a batch norm."""
    network = RECIPES[name].network()
    norms = (module for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d))
    return sum(p.numel() for p in network.parameters()), sum(norm.num_features for norm in norms)


def costs_figure(totals: dict[str, tuple[int, int]]) -> Figure:
    """Parameters and multiplications of each served network."""
    figure, axes = plt.subplots(figsize=(10, 0.6 * len(totals) + 1.4), layout="constrained")
    rows = np.arange(len(totals))[::-1]
    for column, (label, colour) in enumerate(
        (("parameters", BLUE), ("multiplications for a picture", ORANGE))
    ):
        numbers = [total[column] for total in totals.values()]
        bars = axes.barh(rows + 0.2 - 0.4 * column, numbers, 0.38, color=colour, label=label)
        axes.bar_label(bars, [f"{number:,}" for number in numbers], padding=3, fontsize=9)
    axes.set(
        xscale="log",
        yticks=rows,
        yticklabels=list(totals),
        xlim=(None, 60 * max(t[1] for t in totals.values())),
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right")
    return figure


def run(workbench: Workbench) -> Page:
    """Products, mistakes, and a walk through every network of the zoo."""
    rows, largest = [], 0.0
    for name, left, right in products():
        result = left @ right
        largest = max(largest, float((result - product_by_hand(left, right)).abs().max()))
        rows.append((name, *(" x ".join(map(str, side.shape)) for side in (left, right, result))))
    outcomes = [(mistake, *outcome(mistake)) for mistake in mistakes()]
    raised = sum(is_raised for _, is_raised, _ in outcomes)

    walks = {path.stem: walk(path, BATCH) for path in workbench.track(find_model_files(ZOO), "walks")}
    for name, steps in walks.items():
        workbench.console.print(f"{name}\n{as_text(folded(steps))}\n", highlight=False, soft_wrap=True)
    totals = {name: _totals(steps) for name, steps in walks.items()}
    mlp, cnn = totals["digits-mlp"], totals["digits-cnn"]
    comparison = [(name, *trained_parameters(name), totals[name][0]) for name in COMPARED]
    agree = all(served == trained - channels for _, trained, channels, served in comparison)
    values: dict[str, float] = {
        "product_error": largest,
        "mistakes_raised": raised,
        "mistakes_silent": len(outcomes) - raised,
        **{f"parameters_{name}": parameters for name, (parameters, _) in totals.items()},
        **{f"multiplications_{name}": work for name, (_, work) in totals.items()},
    }
    return Page(
        title="Shapes",
        claim="The shapes of the weight matrices are the architecture: (n, m) times (m, p) is (n, p), so"
        " shapes tell what a network does, and most errors show in them.",
        holds=largest < 1e-3 and agree and raised > len(outcomes) / 2,
        verdict=f"All {len(rows)} products of the lectures follow the rule, and so do the layers of all"
        f" {len(walks)} served networks. Of {len(outcomes)} typical mistakes {raised} stop with a"
        f" message of what does not fit; {len(outcomes) - raised} run on in silence, two of which"
        " the lectures call errors.",
        blocks=[
            "## The products of the lectures",
            "The inner sizes must be equal and vanish; the outer ones stay. Whether a layer is written X W,"
            " with a picture in each row, or W X, with one in each column, is a matter of taste: torch"
            " stores W as (outputs, inputs) and computes X W^T.",
            Table(("product", "left", "right", "result"), rows),
            f"Each result was also summed up by hand, term by term; the largest difference is {largest:.0e},"
            f" which is rounding. The last but one is how a batch learns: {BATCH} outer products of an error"
            " with a picture add up in one product.",
            "## Mistakes and their messages",
            "Each of these ran a moment ago; the words after the arrow are torch's, or onnxruntime's.",
            *_explained(outcomes),
            "So print shapes while a network is new, and state the important ones with an assert.",
            f"## A batch of {BATCH} on its way",
            "What stands in models/zoo is a graph from bytes to an answer. Each row is a layer with what"
            " follows it in the same shape; the shape is that of its output. Pictures arrive with their"
            " channels last, are turned, scaled, folded into fewer pixels with more channels, and end as"
            " ten probabilities or one price.",
            *_listings(walks),
            "In a long network one row stands for all layers with pictures of the same height and width.",
            "## Where the parameters are, and where the work is",
            workbench.save(
                costs_figure(totals),
                "costs",
                "Parameters and multiplications for one picture of each served network, on a logarithmic"
                " axis.",
            ),
            "A linear layer uses each weight once for a picture, so parameters and multiplications are the"
            " same number. A convolution uses its few weights at every place: digits-cnn has"
            f" {cnn[0] / mlp[0]:.0%} of the parameters of digits-mlp, and {cnn[1] / mlp[1]:.0f} times its"
            " work.",
            Table(
                ("network", "trained", "channels with a batch norm", "served"),
                [(name, *(f"{number:,}" for number in numbers)) for name, *numbers in comparison],
            ),
            "A batch norm learns a scale and a shift for each channel. When a network is exported, the"
            " scale goes into the weights of the layer before it and the shift becomes that layer's bias:"
            " one number less for each channel, and one layer less to run.",
        ],
        code=[
            "training/course/neurons/shapes.py",
            "training/course/neurons/dimensions/mistakes.py",
            "training/course/neurons/dimensions/walk.py",
            "training/networks/architectures.py",
        ],
        try_this="Write the shape of every layer of fashion-cnn (training/networks/architectures.py,"
        " `digits_cnn`) for a batch of 7 on paper, set `BATCH` in"
        " training/course/neurons/shapes.py to 7, and compare with `python -m training lab"
        " shapes`.",
        values=values,
    )


def _totals(steps: Sequence[Step]) -> tuple[int, int]:
    return sum(step.parameters for step in steps), sum(step.multiplications for step in steps)


def _explained(outcomes: Sequence[tuple[Mistake, bool, str]]) -> list[Block]:
    blocks: list[Block] = []
    for mistake, _, message in outcomes:
        blocks += [Listing(f"{mistake.code}\n-> {message}"), mistake.meaning]
    return blocks


def _listings(walks: dict[str, list[Step]]) -> list[Block]:
    return [Listing(f"{name}\n{as_text(folded(steps))}") for name, steps in walks.items()]
