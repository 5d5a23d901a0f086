"""The descriptors' lab with cars: prices from frozen features, and from scratch, as the photos grow."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from models.image.views import SquashView
from training.course.page import Block, Table
from training.course.workbench import Workbench
from training.data.sources import is_available, load
from training.data.splits import Examples
from training.evaluation.evaluate import errors
from training.networks.architectures import cars_mlp

Describe = Callable[[Tensor, tuple[int, int]], Tensor]

HEIGHT, WIDTH = 96, 128
SMALL_SIDE = 32
"""Of the pictures of the network from scratch, as for cars-mlp."""

PENALTY = 3e-2
"""Of the ridge regression, relative to the mean squared length of a feature vector."""

SIZES = (10, 100, 1000)
TEST = 400


def ridge(features: Tensor, targets: Tensor) -> Callable[[Tensor], Tensor]:
    """The linear layer with the least squared error under weight decay, in closed form by the Gram matrix.

    Args:
        features: float32 (N, F).
        targets: float64 (N,).

    Returns:
        A function from features (M, F) to predictions (M,).
    """
    mean, std = features.mean(0), features.std(0) + 1e-3
    known = ((features - mean) / std).double()
    gram = known @ known.T
    penalty = PENALTY * len(targets) * gram.diagonal().mean()
    weights = known.T @ torch.linalg.solve(
        gram + penalty * torch.eye(len(gram), dtype=torch.float64), targets - targets.mean()
    )
    return lambda others: ((others - mean) / std).double() @ weights + targets.mean()


def describe_cars(workbench: Workbench, describe: Describe) -> list[Block]:
    """Figures of cars where there are photos of them; no photo is shown, their licence does not allow it."""
    if workbench.small or not is_available("cars", workbench.data):
        return [
            "There are no photos of cars in the data folder of this run. Where a folder `data/cars` with a"
            " prices.csv is at hand, the same comparison runs here for prices, and takes a minute or two"
            " more."
        ]
    splits = load("cars", SquashView(width=WIDTH, height=HEIGHT), workbench.data)
    train, test = _some(splits.train, max(SIZES)), _some(splits.test, TEST)
    features, of_test = (describe(_pixels(part), (HEIGHT, WIDTH)) for part in (train, test))
    logs = torch.from_numpy(np.log(train.targets.astype(np.float64)))
    true = test.targets.astype(np.float64)
    rows = []
    for size in SIZES:
        answers = {
            "constant": logs[:size].median().expand(len(true)),
            "head": ridge(features[:size], logs[:size])(of_test),
            "scratch": _from_scratch(_pixels(train)[:size], logs[:size], _pixels(test)),
        }
        medians = [errors(answer.exp().numpy(), true)["median_ape"] for answer in answers.values()]
        rows.append((f"{size:,}", *(f"{median:.1%}" for median in medians)))
    return [
        f"Median relative error of the price on {len(true)} photos of car models that are not among the"
        " training photos (the photos may not be shown):",
        Table(("photos", "always the median", "linear head on features", "MLP from scratch"), rows),
        "From scratch means the network of cars-mlp. cars-transfer goes further: it trains the last blocks"
        " as well.",
    ]


def _some(examples: Examples, count: int) -> Examples:
    """At most `count`, drawn at random: neighbours in a table are photos of the same car."""
    return examples[np.random.default_rng(0).permutation(len(examples))[:count]]


def _pixels(examples: Examples) -> Tensor:
    return torch.from_numpy(examples.pixels).permute(0, 3, 1, 2).float() / 255


def _from_scratch(pixels: Tensor, logs: Tensor, test: Tensor, steps: int = 300) -> Tensor:
    """Log prices (N,) of the lecture's MLP with one hidden layer, trained on the absolute error."""
    torch.manual_seed(0)
    network = cars_mlp(SMALL_SIDE)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=5e-2)
    small, small_test = (
        torch.nn.functional.interpolate(part, (SMALL_SIDE, SMALL_SIDE), mode="area")
        for part in (pixels, test)
    )
    scaled = ((logs - logs.mean()) / logs.std()).float()
    for _ in range(steps):
        index = torch.randint(len(small), (min(len(small), 64),))
        loss = (network(small[index])[:, 0] - scaled[index]).abs().mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        return network.eval()(small_test)[:, 0].double() * logs.std() + logs.mean()
