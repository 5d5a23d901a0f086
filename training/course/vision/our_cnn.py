"""Lab "our-cnn": the lecture's small CNN against an MLP with as many parameters."""

import logging
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from models.image.views import Pixels, SquashView
from training.course.page import Listing, Page, Table
from training.course.workbench import BLUE, RED, Workbench
from training.data import augment
from training.data.mnist import FASHION_LABELS, fashion_mnist
from training.data.splits import Examples, Splits
from training.data.synthetic.clutter import SIDE, cluttered
from training.fitting.fit import fit
from training.fitting.result import TrainingResult
from training.networks.architectures import Network, to_float
from training.recipe import Recipe

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)

log = logging.getLogger(__name__)


def our_cnn() -> Network:
    """Convolution 5x5 x 18, pool, convolution 3x3 x 32, pool, 120, 84, ten classes.

    Without padding the maps are 32 -> 28 -> 14 -> 12 -> 6 pixels wide, so the first linear layer gets
    32 * 6 * 6 numbers.
    """
    body = nn.Sequential(
        nn.Conv2d(3, 18, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(18, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(32 * 6 * 6, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(),
    )  # fmt: skip
    return Network(body, nn.Linear(84, 10), MEAN, STD)


def equal_mlp() -> Network:
    """Two hidden layers, 49 and 90 wide: as many parameters as `our_cnn`, to one in a thousand."""
    body = nn.Sequential(
        nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 49), nn.ReLU(), nn.Linear(49, 90), nn.ReLU()
    )
    return Network(body, nn.Linear(90, 10), MEAN, STD)


NETWORKS = {"OurCNN": our_cnn, "MLP": equal_mlp}
COLOURS = {"OurCNN": BLUE, "MLP": RED}


def parameters(network: nn.Module) -> int:
    """Numbers that training changes."""
    return sum(weight.numel() for weight in network.parameters())


@torch.no_grad()
def multiplications(network: Network) -> int:
    """Of weights with values, for one picture."""
    count = 0

    def add(layer: nn.Module, _: object, output: Tensor) -> None:
        nonlocal count
        weight = layer.weight
        assert isinstance(weight, Tensor)
        # Each weight of a convolution is used once for every position of its map.
        count += weight.numel() * (output.shape[2] * output.shape[3] if output.dim() == 4 else 1)

    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(add) for layer in layers]
    network(torch.zeros(1, 3, SIDE, SIDE))
    for hook in hooks:
        hook.remove()
    return count


def pictures(root: Path, count: int, fetch: bool) -> tuple[Splits, tuple[str, ...], str]:
    """32 x 32 pictures in colour: CIFAR-10, or Fashion-MNIST in colour and clutter.

    Args:
        root: The data folder.
        count: Training pictures.
        fetch: Try to fetch CIFAR-10 where it is not there.

    Returns:
        The splits, the names of the classes, and why they are not CIFAR-10, or "".
    """
    from torchvision import datasets

    try:
        parts = [datasets.CIFAR10(root, train=train, download=fetch) for train in (True, False)]
    except Exception as failure:  # torchvision raises RuntimeError, URLError, OSError alike
        log.info("CIFAR-10: %s", failure)
        return cluttered(fashion_mnist(root).limited(count)), FASHION_LABELS, type(failure).__name__
    train, test = (Examples(part.data, np.array(part.targets)) for part in parts)
    few = max(count // 10, 50)
    held = train[-few:]
    return Splits("cifar-10", train[:count], held, held, test[:few]), tuple(parts[0].classes), ""


@dataclass(frozen=True)
class Trained:
    """One network of the comparison, and its accuracies on the test split, upright and moved."""

    result: TrainingResult
    accuracy: float
    train_accuracy: float
    by_class: npt.NDArray[np.float64]
    moved: float


def train(name: str, splits: Splits, epochs: int) -> Trained:
    """Train one of NETWORKS, both by the same recipe."""
    recipe = Recipe(
        name=name, summary="", task="classification", data=splits.name,
        view=SquashView(width=SIDE, height=SIDE), network=NETWORKS[name], augment=augment.none,
        epochs=epochs, batch_size=64, learning_rate=2e-3,
    )  # fmt: skip
    result = fit(recipe, splits)
    test = splits.test
    right = predicted(result.network, test.pixels) == test.targets
    sideways = np.roll(test.pixels, 3, axis=2)
    few = splits.train[: len(test)]
    return Trained(
        result,
        float(right.mean()),
        float((predicted(result.network, few.pixels) == few.targets).mean()),
        np.array([right[test.targets == k].mean() for k in range(10)]),
        float((predicted(result.network, sideways) == test.targets).mean()),
    )


@torch.no_grad()
def predicted(network: Network, pixels: Pixels) -> npt.NDArray[np.int64]:
    """The class of each picture, (N,)."""
    parts = [network(to_float(batch)).argmax(1) for batch in torch.from_numpy(pixels).split(500)]
    return torch.cat(parts).numpy()


def draw_pictures(part: Examples, labels: tuple[str, ...]) -> Figure:
    """Two pictures of each class."""
    figure, grid = plt.subplots(2, 10, figsize=(12, 2.8), layout="constrained")
    for k, column in enumerate(grid.T):
        for axes, picture in zip(column, part.pixels[part.targets == k][:2], strict=False):
            axes.imshow(picture)
        column[0].set_title(labels[k], fontsize=10)
    for axes in grid.flat:
        axes.set_axis_off()
    return figure


def draw_curves(trained: dict[str, Trained]) -> Figure:
    """Accuracy on the training and the validation pictures, epoch by epoch."""
    figure, axes = plt.subplots(figsize=(9, 4), layout="constrained")
    for name, each in trained.items():
        curves, epochs = each.result.curves, range(1, len(each.result.history) + 1)
        axes.plot(epochs, curves["validation_metric"], "o-", color=COLOURS[name], label=f"{name}, validation")
        axes.plot(epochs, curves["train_metric"], "--", color=COLOURS[name], label=f"{name}, training")
    axes.set_xlabel("epoch")
    axes.set_ylabel("accuracy")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def run(workbench: Workbench) -> Page:
    """Both networks on the same pictures, with the same recipe."""
    splits, labels, missing = pictures(workbench.data, workbench.size(12_000, 3000), not workbench.small)
    epochs = workbench.size(8, 4)
    trained = {name: train(name, splits, epochs) for name in NETWORKS}
    networks = {name: make() for name, make in NETWORKS.items()}
    cnn, mlp = trained["OurCNN"], trained["MLP"]
    counts = {name: parameters(network) for name, network in networks.items()}
    products = {name: multiplications(network) for name, network in networks.items()}
    values = {
        **{f"parameters_{name}": float(count) for name, count in counts.items()},
        **{f"accuracy_{name}": each.accuracy for name, each in trained.items()},
        **{f"train_accuracy_{name}": each.train_accuracy for name, each in trained.items()},
        **{f"moved_{name}": each.moved for name, each in trained.items()},
    }
    source = (
        "The pictures are CIFAR-10's."
        if not missing
        else f"CIFAR-10 could not be had in this run ({missing}). In its place stand garments of"
        " Fashion-MNIST in the same shape: each in a random colour at a random place, on a random colour,"
        " among five bits of other garments."
    )
    best = int((cnn.by_class - mlp.by_class).argmax())
    return Page(
        title="OurCNN against an MLP of equal size",
        claim="A convolutional network makes more of the same number of parameters than an MLP does.",
        holds=cnn.accuracy > mlp.accuracy + 0.02,
        verdict=f"On {splits.name}, {len(splits.train):,} training pictures, OurCNN with"
        f" {counts['OurCNN']:,} parameters is right on {cnn.accuracy:.1%} of {len(splits.test):,}"
        f" test pictures, the MLP with {counts['MLP']:,} on {mlp.accuracy:.1%}.",
        blocks=[
            "## The pictures",
            source,
            workbench.save(draw_pictures(splits.test, labels), "examples", "Two pictures of each class"),
            "## The networks",
            "The lecture's listing leaves one size open and halves the picture once, although it pools"
            " twice. A walk through the layers settles it: without padding, the maps have 32, 28, 14, 12"
            " and 6 pixels, and 32 maps of 6 x 6 are 1,152 numbers for the first linear layer.",
            Listing(
                "OurCNN  3x32x32 -> conv 5x5 -> 18x28x28 -> pool -> 18x14x14\n"
                "        -> conv 3x3 -> 32x12x12 -> pool -> 32x6x6 -> 1152 -> 120 -> 84 -> 10\n"
                "MLP     3x32x32 -> 3072 -> 49 -> 90 -> 10"
            ),
            Table(
                ("", *networks),
                [
                    ("parameters", *(f"{counts[name]:,}" for name in networks)),
                    ("multiplications per picture", *(f"{products[name]:,}" for name in networks)),
                    ("accuracy, training", *(f"{each.train_accuracy:.1%}" for each in trained.values())),
                    ("accuracy, test", *(f"{each.accuracy:.1%}" for each in trained.values())),
                    ("accuracy, moved by 3", *(f"{each.moved:.1%}" for each in trained.values())),
                ],
            ),
            "Equal in parameters is not equal in work. An MLP uses each weight once. A convolution uses"
            f" each at every position, {products['OurCNN'] / products['MLP']:.0f} times the multiplications"
            " here: what a garment's edge is need be learned once, not for each place where one can lie.",
            "Neither is invariant. On pictures moved by three pixels OurCNN loses"
            f" {100 * (cnn.accuracy - cnn.moved):.0f} points, MLP {100 * (mlp.accuracy - mlp.moved):.0f}.",
            "## While they learn",
            workbench.save(draw_curves(trained), "curves", "Accuracies of both networks over the epochs"),
            f"Both learn by the same recipe, {epochs} epochs of AdamW on batches of 64 without augmentation."
            f" The MLP ends {100 * (mlp.train_accuracy - mlp.accuracy):.0f} points apart on training and"
            f" test pictures, OurCNN {100 * (cnn.train_accuracy - cnn.accuracy):.0f}.",
            "## Class by class",
            Table(
                ("class", *networks),
                [
                    (label, *(f"{each.by_class[k]:.0%}" for each in trained.values()))
                    for k, label in enumerate(labels)
                ],
            ),
            f"OurCNN gains most on {labels[best]}: from {mlp.by_class[best]:.0%} to"
            f" {cnn.by_class[best]:.0%}.",
        ],
        code=[f"training/{p}.py" for p in ("course/vision/our_cnn", "data/synthetic/clutter", "fitting/fit")],
        try_this="Shuffle the pixels of all pictures by one fixed permutation, at the end of `pictures`,"
        " and run `python -m training lab our-cnn`. The MLP does not notice; see what is left of"
        " OurCNN's lead when neighbours are no longer neighbours.",
        values=values,
    )  # fmt: skip
