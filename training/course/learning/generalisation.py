"""Under- and overfitting: prices of drawn cars, and polynomials whose bias and variance can be computed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from torch import Tensor, nn

from models.image.views import PhotoView
from training.course.page import Picture
from training.course.workbench import BLUE, GREY, ORANGE, RED, Workbench
from training.data import augment
from training.data.splits import Examples
from training.data.synthetic.cars import drawn_cars
from training.fitting.result import LogPriceScaler
from training.networks.architectures import PHOTO_MEAN, PHOTO_STD, Network, cars_mlp, to_float

CARS = 150
"""Training pictures: few enough to be memorised."""

SIDE = 32


@dataclass(frozen=True)
class Curves:
    """Mean absolute errors of the log price while a network learns.

    Attributes:
        updates: When they were measured.
        train: On the training pictures, without augmentation.
        validation: On car models that were not trained on.
        test: On others again.
    """

    updates: list[int]
    train: list[float]
    validation: list[float]
    test: list[float]

    @property
    def best(self) -> int:
        """Index of the measurement at which early stopping stops: the lowest validation error."""
        return int(np.argmin(self.validation))


def gap(curves: Curves) -> float:
    """Validation error less training error at the end."""
    return curves.validation[-1] - curves.train[-1]


def price_mlp(hidden: int, dropout: float = 0.0) -> Network:
    """cars-mlp with another number of hidden units, and with dropout (Srivastava et al., JMLR 2014)."""
    body = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, hidden), nn.ReLU(), nn.Dropout(dropout))
    return Network(body, nn.Linear(hidden, 1), PHOTO_MEAN, PHOTO_STD)


def price_curves(workbench: Workbench) -> dict[str, Curves]:
    """The same drawn cars learned with too few units, plainly, with dropout and with augmentation."""
    splits = drawn_cars(models=90, photos=8, view=PhotoView(resize=2 * SIDE // 3, crop=SIDE))
    held_out = Examples.joined(splits.validation, splits.calibration)
    order = np.random.default_rng(0).permutation(len(splits.train))[:CARS]
    parts = (splits.train[order], held_out, splits.test)
    scaler = LogPriceScaler.of(parts[0].targets)
    tensors = [
        (to_float(torch.from_numpy(part.pixels)).contiguous(), scaler.standardise(part.targets))
        for part in parts
    ]
    updates = workbench.size(1500, 500)
    variants: dict[str, tuple[Callable[[], Network], Callable[[Tensor], Tensor]]] = {
        "2 units": (lambda: price_mlp(2), augment.none),
        "plain": (lambda: cars_mlp(SIDE), augment.none),
        "dropout": (lambda: price_mlp(100, 0.5), augment.none),
        "augmentation": (lambda: cars_mlp(SIDE), augment.street),
    }
    return {
        name: learn(make, change, tensors, scaler.std, updates)
        for name, (make, change) in workbench.track(variants.items(), "variants", total=len(variants))
    }


def learn(
    make: Callable[[], Network],
    change: Callable[[Tensor], Tensor],
    parts: Sequence[tuple[Tensor, Tensor]],
    scale: float,
    updates: int,
) -> Curves:
    """Adam on batches of 50, measured twenty times.

    Args:
        make: The network, with its first weights.
        change: The augmentation of each batch.
        parts: Pictures and standardised log prices to train, to validate and to test.
        scale: Of the log prices: errors are multiplied by it.
        updates: How many.
    """
    torch.manual_seed(0)
    network = make()
    adam = torch.optim.Adam(network.parameters(), lr=3e-4)
    (x, y), *_ = parts
    curves = Curves([], [], [], [])
    for update in range(1, updates + 1):
        index = torch.randint(len(x), (50,))
        loss = F.l1_loss(network.train()(change(x[index]))[:, 0], y[index])
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        if update % (updates // 25) == 0:
            curves.updates.append(update)
            for errors, (pictures, prices) in zip(
                (curves.train, curves.validation, curves.test), parts, strict=True
            ):
                with torch.no_grad():
                    errors.append(scale * float(F.l1_loss(network.eval()(pictures)[:, 0], prices)))
    return curves


DEGREES = (1, 4, 12)
ALL_DEGREES = range(13)
POINTS = 20
NOISE = 0.4


@dataclass(frozen=True)
class PolynomialFit:
    """Polynomials of one degree, each fitted to its own draw of points.

    Attributes:
        degree: Of all of them.
        x: Where they are looked at, (M,).
        curves: Their values there, (draws, M).
        measured_error: Mean squared error on new, noisy points.
    """

    degree: int
    x: npt.NDArray[np.float64]
    curves: npt.NDArray[np.float64]
    measured_error: float

    @property
    def bias_squared(self) -> float:
        """How far the mean of all fits is from the truth, squared, on average over x."""
        return float(np.mean((self.curves.mean(0) - truth(self.x)) ** 2))

    @property
    def variance(self) -> float:
        """How far the fits are from their mean."""
        return float(self.curves.var(0).mean())

    @property
    def expected_error(self) -> float:
        """Bias squared + variance + noise (Geman, Bienenstock and Doursat, Neural Computation 1992)."""
        return self.bias_squared + self.variance + NOISE**2

    @property
    def parts(self) -> tuple[float, float, float, float, float]:
        """Bias squared, variance, noise, their sum, and the error that was measured."""
        return self.bias_squared, self.variance, NOISE**2, self.expected_error, self.measured_error


def truth(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What the points are drawn around."""
    return np.sin(np.pi * x)


def bias_and_variance(draws: int) -> dict[int, PolynomialFit]:
    """Least-squares fits of each degree to `draws` sets of POINTS points on [-1, 1]."""
    rng = np.random.default_rng(0)
    at, x = np.linspace(-1, 1, POINTS), np.linspace(-1, 1, 101)
    points = truth(at) + rng.normal(0, NOISE, (draws, POINTS))
    new = truth(x) + rng.normal(0, NOISE, (draws, len(x)))
    fits = {}
    for degree in ALL_DEGREES:
        # Chebyshev polynomials span the same curves as powers do, and stay well conditioned.
        coefficients = np.polynomial.chebyshev.chebfit(at, points.T, degree)
        curves = np.polynomial.chebyshev.chebval(x, coefficients)
        fits[degree] = PolynomialFit(degree, x, curves, float(np.mean((curves - new) ** 2)))
    return fits


def draw_polynomials(workbench: Workbench, fits: dict[int, PolynomialFit]) -> Picture:
    """Twelve fits of each of DEGREES, and bias and variance by degree."""
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.3), layout="constrained")
    for axis, degree in zip(axes, DEGREES, strict=False):
        fit = fits[degree]
        axis.plot(fit.x, fit.curves[:12].T, color=GREY, linewidth=0.6)
        axis.plot(fit.x, fit.curves.mean(0), color=RED, label="mean of all fits")
        axis.plot(fit.x, truth(fit.x), color=BLUE, label="truth")
        axis.set(title=f"degree {degree}", ylim=(-2, 2), xlabel="x")
    axes[0].legend(frameon=False)
    order = sorted(fits)
    for values, colour, label in (
        ([fits[d].bias_squared for d in order], BLUE, "bias squared"),
        ([fits[d].variance for d in order], ORANGE, "variance"),
        ([fits[d].measured_error for d in order], RED, "error on new points"),
    ):
        axes[-1].semilogy(order, values, "o-", color=colour, label=label, markersize=4)
    axes[-1].set(xlabel="degree")
    axes[-1].legend(frameon=False, loc="center right", fontsize=8)
    return workbench.save(
        figure,
        "polynomials",
        "Fits of three degrees to twelve draws of points, and bias and variance by degree.",
    )
