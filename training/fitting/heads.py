"""Heads: linear layers behind features that are not trained, fitted to their optimum.

A few thousand pictures of a few thousand features are small enough for a quasi-Newton method over all of
them at once: no learning rate, no epochs, the same weights every time.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MAX_STEPS = 80
"""Of L-BFGS for each strength of the penalty; each starts where the stronger one before it ended."""

MIN_CHANGE = 1e-6
"""Of the loss or of a weight, in a step, below which the optimum is taken for reached."""

MIN_STD = 1e-3
"""Of a feature, relative to the mean of all: features that hardly vary would be blown up otherwise."""


class Standardise(nn.Module):
    """Features with mean 0 and variance 1 over the pictures it was fitted to.

    Attributes:
        mean: float32 (F,).
        std: float32 (F,).
    """

    mean: Tensor
    std: Tensor

    def __init__(self, features: Tensor) -> None:
        """Fit to float32 (N, F)."""
        super().__init__()
        std = features.std(0, correction=0)
        self.register_buffer("mean", features.mean(0))
        self.register_buffer("std", std + MIN_STD * std.mean() + 1e-12)

    def forward(self, features: Tensor) -> Tensor:
        """float32 (N, F) -> (N, F)."""
        return (features - self.mean) / self.std

    def folded(self, weight: Tensor, bias: Tensor) -> nn.Linear:
        """A linear layer on the features themselves that does as (weight, bias) does on standardised ones."""
        layer = nn.Linear(*reversed(weight.shape))
        with torch.no_grad():
            layer.weight.copy_(weight / self.std)
            layer.bias.copy_(bias - layer.weight @ self.mean)
        return layer.requires_grad_(False)


def fit_softmax(
    features: Tensor, classes: Tensor, count: int, penalties: Sequence[float], weights: Tensor | None = None
) -> list[nn.Linear]:
    """Softmax regression with an L2 penalty, for several strengths of it.

    Args:
        features: float32 (N, F).
        classes: int64 (N,).
        count: Of classes.
        penalties: Strengths: half of each times the squared weights of standardised features is added to
            the mean cross entropy.
        weights: Of the pictures, (N,); all the same by default.

    Returns:
        A layer, F -> count, for each penalty, in their order.
    """
    standardise = Standardise(features)
    x = standardise(features)
    weights = torch.ones(len(x)) if weights is None else weights
    fraction = weights / weights.sum()
    weight = torch.zeros(count, x.shape[1], requires_grad=True)
    bias = torch.zeros(count, requires_grad=True)
    fitted = {}
    for penalty in sorted(set(penalties), reverse=True):
        optimizer = torch.optim.LBFGS(
            [weight, bias], max_iter=MAX_STEPS, tolerance_change=MIN_CHANGE, line_search_fn="strong_wolfe"
        )

        def loss(penalty: float = penalty, optimizer: torch.optim.Optimizer = optimizer) -> Tensor:
            optimizer.zero_grad()
            each = F.cross_entropy(x @ weight.T + bias, classes, reduction="none")
            value = (fraction * each).sum() + penalty / 2 * weight.square().sum()
            value.backward()  # type: ignore[no-untyped-call]
            return value

        optimizer.step(loss)  # type: ignore[arg-type]
        fitted[penalty] = standardise.folded(weight.detach(), bias.detach())
    return [fitted[penalty] for penalty in penalties]


def fit_ridge(
    features: Tensor, targets: Tensor, penalties: Sequence[float], weights: Tensor | None = None
) -> list[nn.Linear]:
    """Least squares with an L2 penalty, for several strengths of it.

    Args:
        features: float32 (N, F).
        targets: float32 (N,).
        penalties: Strengths, each relative to the number of pictures.
        weights: Of the pictures, (N,); all the same by default.

    Returns:
        A layer, F -> 1, for each penalty, in their order.
    """
    standardise = Standardise(features)
    x = standardise(features).double()
    weights = torch.ones(len(x)) if weights is None else weights
    fraction = (weights / weights.sum()).double()
    middle = (fraction * targets.double()).sum()
    x_root = fraction.sqrt()[:, None] * x
    wanted = fraction.sqrt() * (targets.double() - middle)
    # The smaller of two equal problems: a weight for each feature, or one for each picture.
    dual = len(x) < x.shape[1]
    products = x_root @ x_root.T if dual else x_root.T @ x_root
    right = wanted if dual else x_root.T @ wanted
    layers = []
    for penalty in penalties:
        system = products + penalty * torch.eye(len(products), dtype=torch.double)
        solved = torch.cholesky_solve(right[:, None], torch.linalg.cholesky(system))
        weight = (x_root.T @ solved if dual else solved).T
        # Weighted means of x are not quite 0, so the constant is fitted to what is left.
        bias = middle - (fraction[:, None] * (x @ weight.T)).sum()
        layers.append(standardise.folded(weight.float(), bias.float()[None]))
    return layers
