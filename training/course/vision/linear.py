"""A linear classifier as pictures, and two ways in which it learns them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from torch import Tensor

from models.image.decode import PictureError, open_picture
from training.course.vision.served import Served
from training.course.workbench import Workbench
from training.data.splits import DataError, Examples, Splits
from training.fitting.fit import fit
from training.networks.architectures import Network
from training.recipes.digits import LINEAR

Array = npt.NDArray[np.float64]

FOUR = 4
"""The lecture's classes: zero, one, two, three."""


@dataclass(frozen=True)
class Templates:
    """A linear classifier as pictures.

    Attributes:
        rows: float64 (K, 784), multiply pixels in [0, 1].
        offsets: float64 (K,), added to the inner products.
    """

    rows: Array
    offsets: Array

    @staticmethod
    def of(weight: Array, bias: Array, mean: float = 0.0, std: float = 1.0) -> "Templates":
        """Of a layer whose input is (pixels - mean) / std: w (x - m) / s + b = (w / s) x + b - (w / s) m."""
        rows = np.asarray(weight, np.float64) / std
        return Templates(rows, bias - rows.sum(axis=1) * mean)

    @staticmethod
    def served() -> "Templates":
        """Those of models/zoo/digits-linear.onnx, divided by its temperature."""
        file = Served(LINEAR.name)
        mean, std = (file.weight(f"network.{name}").item() for name in ("mean", "std"))
        found = Templates.of(file.weight("head.weight"), file.weight("head.bias"), mean, std)
        return Templates(found.rows / file.temperature, found.offsets / file.temperature)

    def products(self, x: Array) -> Array:
        """Template times picture, pixel by pixel: (784,) -> (K, 784); a row's sum is the inner product."""
        return self.rows * x

    def scores(self, x: Array) -> Array:
        """(..., 784) -> (..., K)."""
        return x @ self.rows.T + self.offsets


def softmax(scores: Array) -> Array:
    """Scores (..., K) -> probabilities."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def flat(pixels: npt.NDArray[np.uint8]) -> Array:
    """uint8 (..., 28, 28, 1) -> float64 (..., 784) in [0, 1]."""
    return pixels.reshape(*pixels.shape[:-3], -1) / 255


def error(rows: Array, x: Array, target: int) -> Array:
    """Target probabilities - softmax(W x), (K,): what the lecture's rule multiplies the picture by."""
    e = -softmax(rows @ x)
    e[target] += 1
    return e


def learn_one_by_one(
    pictures: Array, targets: npt.NDArray[np.generic], keep: Sequence[int], lr: float = 0.01, seed: int = 0
) -> dict[int, Array]:
    """The lecture's rule, W = W + lr (e x^T), after each single picture; four classes, no bias.

    Args:
        pictures: (N, 784).
        targets: Classes 0 to 3, (N,).
        keep: Numbers of seen pictures after which W is kept.
        lr: The learning rate.
        seed: Of the small random numbers that W begins with.

    Returns:
        W, (4, 784), by the number of pictures seen.
    """
    rows = np.random.default_rng(seed).normal(0, 0.003, (FOUR, pictures.shape[1]))
    kept = {0: rows.copy()}
    for seen, (x, target) in enumerate(zip(pictures, targets, strict=True), start=1):
        rows += lr * np.outer(error(rows, x, int(target)), x)
        if seen in keep:
            kept[seen] = rows.copy()
    return kept


def record_learning(splits: Splits, epochs: int, keep: Iterable[int]) -> dict[int, Templates]:
    """Train digits-linear by its own recipe; its templates by the number of updates made."""
    networks: list[Network] = []
    kept, updates, wanted = {}, -1, set(keep)

    def templates() -> Templates:
        network = networks[0]
        weight, bias = (tensor.detach().double().cpu().numpy() for tensor in network.head.parameters())
        return Templates.of(weight, bias, network.mean.item(), network.std.item())

    def network() -> Network:
        networks.append(LINEAR.network())
        return networks[0]

    def before_update(pictures: Tensor) -> Tensor:
        nonlocal updates
        updates += 1
        if updates in wanted:
            kept[updates] = templates()
        return pictures

    fit(replace(LINEAR, network=network, epochs=epochs, augment=before_update), splits)
    return kept | {updates + 1: templates()}


def agreement(rows: Array, others: Array) -> Array:
    """Correlation of each row with each other, (K, L), after taking the mean row from both.

    Softmax does not see what all templates have in common.
    """
    centred = [part - part.mean(axis=0) for part in (rows, others)]
    first, second = ((part.T / np.linalg.norm(part, axis=1)).T for part in centred)
    return first @ second.T


def class_means(part: Examples, classes: int) -> Array:
    """The mean picture of each class, (K, 784)."""
    return np.stack([flat(part.pixels[part.targets == k]).mean(axis=0) for k in range(classes)])


def accuracy(templates: Templates, part: Examples) -> float:
    """Share of the pictures whose best match is their own class."""
    return float((templates.scores(flat(part.pixels)).argmax(axis=1) == part.targets).mean())


def looked_at(workbench: Workbench, test: Examples) -> tuple[Array, str]:
    """The user's digit as the service sees it, (784,), else the first two of the test split; and its name."""
    if workbench.picture is None:
        return flat(test.pixels[test.targets == 2][0]), "a two of the test split"
    try:
        picture = open_picture(workbench.picture.read_bytes(), LINEAR.view.shorter_side)
    except (OSError, PictureError) as failure:
        raise DataError(f"{workbench.picture}: {failure}") from None
    return flat(LINEAR.view(picture)), workbench.picture.name
