"""Vanishing gradients: how far they reach back, by activation and by the bits that hold them."""

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from training.course.learning.review.answer import Answer, Digits, accuracy, shuffled_batches, train
from training.course.page import Table
from training.course.workbench import BLUE, GREY, ORANGE, Workbench

FORMATS = {"32 bits": torch.float32, "16 bits": torch.float16, "8 bits": torch.float8_e5m2}
"""Floating point formats; of the two with 8 bits the one made for gradients (Micikevicius et al., 2022)."""

SMALLEST = {"32 bits": 2.0**-149, "16 bits": 2.0**-24, "8 bits": 2.0**-16}
"""The smallest positive number of each."""

DEPTHS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 80)
WIDTH = 64
BATCH_SIZE = 200

ACTIVATIONS = {"sigmoid": nn.Sigmoid, "ReLU": nn.ReLU}


def deep_network(depth: int, activation: str) -> nn.Sequential:
    """784 pixels, `depth` hidden layers of 64 units, ten scores.

    Weights are drawn as each activation wants them: Glorot and Bengio (AISTATS 2010) for the sigmoid, He et
    al. (ICCV 2015) for ReLU.
    """
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Flatten()]
    width = 784
    for _ in range(depth):
        linear = nn.Linear(width, WIDTH)
        if activation == "ReLU":
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        else:
            nn.init.xavier_normal_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, ACTIVATIONS[activation]()]
        width = WIDTH
    return nn.Sequential(*layers, nn.Linear(width, 10))


def first_gradient(
    depth: int, activation: str, bits: str, pictures: Tensor, classes: Tensor, scale: float = 1.0
) -> Tensor:
    """The gradient of the first layer's weights where every gradient on the way is rounded to `bits`.

    Args:
        depth: Hidden layers.
        activation: One of ACTIVATIONS.
        bits: One of FORMATS.
        pictures: float32 (N, 1, 28, 28).
        classes: int64 (N,).
        scale: The loss is multiplied by it, so that gradients stay above the smallest number.

    Returns:
        float32 (64, 784), still multiplied by `scale`.
    """

    def rounded(gradient: Tensor) -> Tensor:
        return gradient.to(FORMATS[bits]).float()

    network = deep_network(depth, activation)
    x = pictures
    for layer in network:
        x = layer(x)
        if x.requires_grad:
            x.register_hook(rounded)
    (F.cross_entropy(x, classes) * scale).backward()  # type: ignore[no-untyped-call]
    gradient = network[1].weight.grad
    assert gradient is not None
    return rounded(gradient)


def zero_fraction(gradient: Tensor) -> float:
    """The fraction that is exactly 0."""
    return float((gradient == 0).float().mean())


def ask(workbench: Workbench, digits: Digits) -> list[Answer]:
    """Measure first-layer gradients at growing depth; then train, to see what the missing ones cost."""
    pictures, classes = digits.train[:BATCH_SIZE], digits.classes[:BATCH_SIZE]
    # Pixels that are black in all pictures have no gradient in any format.
    inked = pictures.flatten(1).amax(0) > 0
    zeros: dict[tuple[str, str], list[float]] = {}
    norms: dict[str, list[float]] = {}
    for activation in ACTIVATIONS:
        for bits in FORMATS:
            gradients = [
                first_gradient(depth, activation, bits, pictures, classes)[:, inked] for depth in DEPTHS
            ]
            zeros[activation, bits] = [zero_fraction(gradient) for gradient in gradients]
            if bits == "32 bits":
                norms[activation] = [
                    float(gradient.double().square().mean().sqrt()) for gradient in gradients
                ]
    gone = {key: _first_depth(fractions) for key, fractions in zeros.items()}
    scaled = first_gradient(DEPTHS[5], "sigmoid", "16 bits", pictures, classes, scale=2.0**12)[:, inked]
    per_layer = (norms["sigmoid"][5] / norms["sigmoid"][1]) ** (1 / (DEPTHS[5] - DEPTHS[1]))
    relu_range = max(norms["ReLU"]) / min(norms["ReLU"])

    learned = {}
    for activation in ACTIVATIONS:
        network = deep_network(6, activation)
        epochs = workbench.size(8, 6)
        batches = shuffled_batches(len(digits.train), 100, epochs)
        train(network, digits, batches, 0.05)
        learned[activation] = accuracy(network, digits.test, digits.test_classes)
    return [
        Answer(
            "Do gradients vanish sooner in 8, 16 or 32 bits?",
            f"In fewer bits. Behind a sigmoid the gradient shrinks to {per_layer:.2f} of itself in each"
            " layer. It is a number, and a number below half the smallest that its format holds becomes 0:"
            f" in 8 bits nine in ten of the first layer's gradients are 0 with {gone['sigmoid', '8 bits']}"
            f" hidden layers, in 16 bits with {gone['sigmoid', '16 bits']}, in 32 bits with"
            f" {gone['sigmoid', '32 bits']}. This is what makes vanishing gradients a numerical problem."
            " Multiplying the loss first is the usual remedy: with a factor of 4,096,"
            f" {zero_fraction(scaled):.0%} instead of {zeros['sigmoid', '16 bits'][5]:.0%} of the gradients"
            f" at {DEPTHS[5]} layers in 16 bits are 0 (Micikevicius et al., ICLR 2018).",
            gone["sigmoid", "8 bits"] < gone["sigmoid", "16 bits"] < gone["sigmoid", "32 bits"],
            [
                workbench.save(
                    _figure(norms, zeros), "vanishing",
                    "Gradients of the first layer by depth, and how many of them are zero in 8, 16 and 32"
                    " bits",
                ),
                Table(
                    ("hidden layers", *(f"{activation}, {bits}" for activation, bits in zeros)),
                    [
                        (depth, *(f"{fractions[row]:.0%}" for fractions in zeros.values()))
                        for row, depth in enumerate(DEPTHS)
                    ],
                ),
                "The table has the part of the first layer's gradients that is exactly 0.",
            ],
            {f"gone_{a}_{b.split()[0]}": float(depth) for (a, b), depth in gone.items()}
            | {"unscaled_zeros": zeros["sigmoid", "16 bits"][5], "scaled_zeros": zero_fraction(scaled)},
        ),
        Answer(
            "Why does it happen with sigmoids more than with ReLU?",
            "A sigmoid's slope is at most 1/4, and a gradient is multiplied by one slope per layer. ReLU's"
            f" slope is 1 where it is active: from 1 to {DEPTHS[-1]} layers the gradient changes by a factor"
            f" of {relu_range:,.0f}, where that of the sigmoid changes by"
            f" 10^{_decades(norms['sigmoid']):.0f}. Learning shows it: with six hidden layers and the same"
            f" batches ReLU reads {learned['ReLU']:.1%} of the test digits, the sigmoid"
            f" {learned['sigmoid']:.1%}, as good as guessing.",
            learned["ReLU"] > learned["sigmoid"] + 0.4,
            values={
                "sigmoid_accuracy": learned["sigmoid"], "relu_accuracy": learned["ReLU"],
                "sigmoid_per_layer": per_layer, "relu_range": relu_range,
            },
        ),
    ]  # fmt: skip


def _first_depth(fractions: list[float]) -> int:
    """The least depth at which nine in ten gradients are 0; one more than the greatest where none has."""
    reached = [depth for depth, fraction in zip(DEPTHS, fractions, strict=True) if fraction > 0.9]
    return reached[0] if reached else DEPTHS[-1] + 1


def _decades(norms: list[float]) -> float:
    """Powers of ten between the largest and the smallest that is not 0."""
    values = torch.tensor([norm for norm in norms if norm > 0], dtype=torch.float64)
    return float((values.max() / values.min()).log10())


def _figure(norms: dict[str, list[float]], zeros: dict[tuple[str, str], list[float]]) -> Figure:
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5), layout="constrained")
    colours = {"sigmoid": BLUE, "ReLU": ORANGE}
    for activation, values in norms.items():
        kept = [(depth, value) for depth, value in zip(DEPTHS, values, strict=True) if value > 0]
        left.plot(*zip(*kept, strict=True), "o-", color=colours[activation], label=activation)
    for bits, smallest in SMALLEST.items():
        left.axhline(smallest, color=GREY, linewidth=1, linestyle=":")
        left.text(82, smallest, f"smallest in {bits}", ha="right", va="top", fontsize=9, color=GREY)
    left.set(yscale="log", xlabel="hidden layers", ylabel="first layer's gradient (root mean square)")
    left.set_ylim(1e-50, 1)
    left.legend(frameon=False, loc="lower left")
    styles = {"8 bits": ":", "16 bits": "--", "32 bits": "-"}
    for (activation, bits), fractions in zeros.items():
        colour = colours[activation]
        right.plot(DEPTHS, fractions, styles[bits], color=colour, label=f"{activation}, {bits}")
    right.set(xscale="log", xlabel="hidden layers", ylabel="part of the gradients that is 0")
    right.set_xticks(DEPTHS[::2], [str(depth) for depth in DEPTHS[::2]])
    right.minorticks_off()
    right.legend(frameon=False, fontsize=9, loc=(0.52, 0.3))
    right.grid(alpha=0.3)
    return figure
