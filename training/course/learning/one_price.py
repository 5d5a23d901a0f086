"""The workshop: a network memorises the price of one car, and why that is not learning.

The update rule is written out, w <- w - rate * dL/dw. What becomes of many cars is in generalisation.py.
"""

import copy
from pathlib import Path

import numpy as np
import torch
from matplotlib import pyplot as plt
from PIL import Image
from torch import Tensor, nn

from models.image.decode import open_picture
from training.course.learning import generalisation as general
from training.course.page import Listing, Page, Picture, Table
from training.course.workbench import BLUE, GREEN, GREY, ORANGE, Workbench
from training.networks.architectures import PHOTO_MEAN, PHOTO_STD

CAR = Path("docs/car.jpg")
PRICE = 30.0
"""Of that car, in thousands of USD; any price can be memorised."""

RULE = """\
L = |f(x) - y|           the absolute error
dL/df = sign(f(x) - y)   1 or -1, however large the error is
w <- w - rate * dL/dw    for every weight
"""

RATE = 1e-4
HIDDEN = 100

ROUNDING = 1e-6
"""Two ways to compute the same float32 weights agree to this."""


def preprocess(picture: Image.Image, resize: int = 256, crop: int = 192) -> Tensor:
    """Resize the shorter side, cut the centre out, and normalise as the served price networks do.

    Returns:
        float32 (1, 3, crop, crop).
    """
    scale = resize / min(picture.size)
    width, height = (round(side * scale) for side in picture.size)
    left, top = (width - crop) // 2, (height - crop) // 2
    small = picture.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(small.crop((left, top, left + crop, top + crop)), np.float32) / 255
    normalised = (pixels - np.array(PHOTO_MEAN, np.float32)) / np.array(PHOTO_STD, np.float32)
    return torch.from_numpy(normalised).permute(2, 0, 1)[None]


def multilayer_perceptron(channels: int, height: int, width: int) -> nn.Sequential:
    """Pixels (N, C, H, W) -> prices (N, 1) through one hidden layer."""
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(channels * height * width, HIDDEN),
        nn.ReLU(),
        nn.Linear(HIDDEN, 1),
    )


def update(network: nn.Module, rate: float) -> None:
    """W <- w - rate * dL/dw for every weight, and then the gradients are cleared."""
    with torch.no_grad():
        for weight in network.parameters():
            assert weight.grad is not None
            weight -= rate * weight.grad
            weight.grad = None


def memorise(
    network: nn.Module, x: Tensor, price: float, steps: int, optimiser: torch.optim.Optimizer | None = None
) -> list[float]:
    """Absolute errors before each step.

    Args:
        network: Changed in place.
        x: One picture, (1, C, H, W).
        price: What it is to say.
        steps: How many.
        optimiser: Makes the steps; the rule written out does where it is None.
    """
    errors = []
    for _ in range(steps):
        loss = nn.functional.l1_loss(network(x), torch.tensor([[price]]))
        errors.append(float(loss.detach()))
        if optimiser is None:
            loss.backward()  # type: ignore[no-untyped-call]
            update(network, RATE)
        else:
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return errors


def difference(first: nn.Module, second: nn.Module) -> float:
    """The largest absolute difference between two networks' weights."""
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return max(float((a - b).detach().abs().max()) for a, b in pairs)


def run(workbench: Workbench) -> Page:
    """One price memorised, then many prices learned, and what keeps a network from memorising them."""
    file = workbench.picture or CAR
    x = preprocess(Image.fromarray(open_picture(file.read_bytes(), 256)))
    torch.manual_seed(0)
    by_hand = multilayer_perceptron(*x.shape[1:])
    by_torch = copy.deepcopy(by_hand)
    sgd = torch.optim.SGD(by_torch.parameters(), lr=RATE)
    steps = workbench.size(60, 40)
    errors, apart = [], 0.0
    for _ in workbench.track(range(steps), "memorising"):
        errors += memorise(by_hand, x, PRICE, 1)
        memorise(by_torch, x, PRICE, 1, sgd)
        apart = max(apart, difference(by_hand, by_torch))
    best = min(errors)
    with torch.no_grad():
        others = {
            "mirrored": x.flip(3), "upside down": x.flip(2), "half as bright": x * 0.5,
            "grey everywhere": torch.zeros_like(x), "noise": torch.randn(x.shape),
        }  # fmt: skip
        answers = {name: float(by_hand(other)) for name, other in others.items()}
    curves = general.price_curves(workbench)
    plain = curves["plain"]
    helped = {name: curve for name, curve in curves.items() if name not in ("plain", "2 units")}
    polynomials = general.bias_and_variance(workbench.size(400, 200))
    degrees = [polynomials[degree] for degree in general.DEGREES]
    best_degree = min(polynomials.values(), key=lambda fit: fit.expected_error).degree
    holds = best < 1 and apart < ROUNDING and plain.validation[-1] > 1.5 * plain.train[-1]
    gaps = ", ".join(f"{100 * general.gap(curve):.0f} ({name})" for name, curve in curves.items())
    weights = sum(weight.numel() for weight in by_hand.parameters())
    return Page(
        title="One price, memorised",
        claim="A network with one hidden layer finds the price of a photo by gradient descent; a price it"
        " was not shown tells whether it has learned anything.",
        holds=holds,
        verdict=f"After {int(np.argmin(errors))} updates the network is {1000 * best:,.0f} USD off the one"
        " price it is shown, and the rule written out and torch.optim.SGD agree in every weight, to"
        f" rounding, after each of {steps} steps. With {general.CARS} drawn cars instead of one, the error"
        f" on those it learned from falls to {100 * plain.train[-1]:.0f} %, and on cars it never saw it"
        f" stays at {100 * plain.validation[-1]:.0f} %.",
        blocks=[
            "## One photo, one price",
            f"The photo is resized to 256 pixels, cut to {x.shape[2]} x {x.shape[3]} and flattened:"
            f" {x[0].numel():,} numbers. They go through Linear({x[0].numel()}, {HIDDEN}), ReLU and"
            f" Linear({HIDDEN}, 1), {weights:,} weights to hold one number: {PRICE:g} thousand USD.",
            Listing(RULE),
            _memorising(workbench, x, errors),
            f"The error falls to {best:.2f} thousand and then jitters: the slope of an absolute error has"
            " the same size near the goal as far from it, so steps do not get shorter. A smaller rate, or"
            " one that falls, ends nearer. Written by hand or by torch.optim.SGD, the weights are the same"
            f" but for rounding: the largest difference of any is {apart:.1g}.",
            "## Why that is not learning",
            "Asked for other pictures, the same network says, in thousands of USD:",
            Table(("picture", "price"), [[name, f"{answer:.1f}"] for name, answer in answers.items()]),
            "It has no idea of a car. Nothing in its loss asked for one: the single price can be had by the"
            " last bias alone. What a network has learned shows on pictures it was not trained on, so the"
            " data is split. Training pictures set the weights, validation pictures decide when to stop and"
            " which variant to take, and test pictures are looked at once, at the end.",
            "## Many prices",
            f"Drawn cars have a price that follows from the drawing: {general.CARS} of them to train, car"
            " models that were never seen to validate and to test. The network is cars-mlp, which is served"
            " for photos; the error is the mean absolute error of the log price, about the relative error.",
            _curves(workbench, curves),
            Table(
                ("variant", "train, at the end", "validation", "at its lowest", "after update", "test there"),
                [
                    [name, *map("{:.1%}".format, (c.train[-1], c.validation[-1], c.validation[c.best])),
                     c.updates[c.best], f"{c.test[c.best]:.1%}"]
                    for name, c in curves.items()
                ],
            ),
            "With 2 hidden units the network underfits: it stays wrong on the training cars, too. With 100"
            " it overfits: the training error falls on and on, and the validation error hardly moves. It is"
            f" lowest at update {plain.updates[plain.best]}; early stopping keeps the weights of that"
            f" moment, {100 * (plain.validation[-1] - plain.validation[plain.best]):.1f} points better than"
            " the last ones. Dropout switches half of the hidden units off at each update; augmentation"
            " mirrors, shifts and recolours each picture anew, so that there is less to memorise. The gap"
            f" between validation and training error at the end is, in points, {gaps}.",
            "## Bias and variance",
            f"The smallest picture of the same: polynomials through {general.POINTS} noisy points of a sine."
            " A straight line is wrong in the same way for every draw of the points (bias). A polynomial of"
            f" degree {general.DEGREES[-1]} follows the noise and is different for each draw (variance). For"
            " squared errors the three parts add up: bias squared + variance + noise.",
            general.draw_polynomials(workbench, polynomials),
            Table(
                ("degree", "bias squared", "variance", "noise", "sum", "measured on new points"),
                [[f.degree, *map("{:.3f}".format, f.parts)] for f in degrees],
            ),
            f"Degree {best_degree} has the smallest sum. Below it bias rules, above it variance.",
        ],
        code=["training/course/learning/one_price.py", "training/course/learning/generalisation.py"],
        try_this="Take a photo of yours: `python -m training lab one-price --picture PHOTO`. How many"
        " updates until its price is memorised, and what does the network then say of the same photo"
        " mirrored?",
        values={
            "best_error": best, "first_error": errors[0], "difference": apart,
            "gap_plain": general.gap(plain), "train_plain": plain.train[-1],
            "train_small": curves["2 units"].train[-1],
            "validation_plain": plain.validation[-1], "validation_best": plain.validation[plain.best],
            **{f"gap_{name}": general.gap(curve) for name, curve in helped.items()},
            **{f"bias_{f.degree}": f.bias_squared for f in degrees},
            **{f"variance_{f.degree}": f.variance for f in degrees},
            **{f"sum_{f.degree}": f.expected_error for f in degrees},
            **{f"measured_{f.degree}": f.measured_error for f in degrees},
            "best_degree": best_degree,
        },
    )  # fmt: skip


def _memorising(workbench: Workbench, x: Tensor, errors: list[float]) -> Picture:
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 3.8), width_ratios=(1, 2), layout="constrained")
    pixels = x[0].permute(1, 2, 0).numpy() * np.array(PHOTO_STD) + np.array(PHOTO_MEAN)
    left.imshow(pixels.clip(0, 1))
    left.set(title="what the network sees", xticks=[], yticks=[])
    right.plot(errors, ".-", color=BLUE)
    right.set(xlabel="updates", ylabel="absolute error, thousand USD", ylim=(0, None))
    return workbench.save(
        figure, "memorising", "The photo as the network sees it, and the error of its price."
    )


def _curves(workbench: Workbench, curves: dict[str, general.Curves]) -> Picture:
    figure, axes = plt.subplots(1, len(curves), figsize=(12, 3.6), sharey=True, layout="constrained")
    for axis, (name, curve) in zip(axes, curves.items(), strict=True):
        for part, colour in (("train", BLUE), ("validation", ORANGE), ("test", GREEN)):
            axis.plot(curve.updates, getattr(curve, part), color=colour, label=part)
        axis.axvline(curve.updates[curve.best], color=GREY, linestyle="--", linewidth=1)
        axis.set(title=name, xlabel="updates", ylim=(0, 0.7))
    axes[0].set_ylabel("error of the log price")
    axes[0].legend(frameon=False)
    return workbench.save(
        figure, "curves", "Training, validation and test error of each variant; dashed: where to stop."
    )
