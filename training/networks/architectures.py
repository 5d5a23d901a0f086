"""The lectures' networks, each a short list of layers.

A Network takes float32 (N, C, H, W) in [0, 1] and returns raw scores float32 (N, outputs): logits of
a classifier, the standardised log price of a regressor. Export adds what turns them into probabilities
and prices (training/export/modules.py).
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from training.networks import efficientnet
from training.networks.kernel_ridge import KernelRidge


class Network(nn.Module):
    """Normalisation, a body that extracts features, and a linear head.

    Attributes:
        mean: float32 (1, C, 1, 1), subtracted from the pictures.
        std: float32 (1, C, 1, 1), divides them.
        body: Normalised pictures (N, C, H, W) -> features (N, F).
        head: Features (N, F) -> scores (N, outputs).
        kernel: A second prediction from the features; the scores are then the mean of both.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        body: nn.Module,
        head: nn.Linear,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        kernel: KernelRidge | None = None,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1))
        self.body = body
        self.head = head
        self.kernel = kernel

    def features(self, pictures: Tensor) -> Tensor:
        """float32 (N, C, H, W) in [0, 1] -> (N, F)."""
        features: Tensor = self.body((pictures - self.mean) / self.std)
        return features

    def scores(self, features: Tensor) -> Tensor:
        """float32 (N, F) -> (N, outputs)."""
        scores: Tensor = self.head(features)
        return scores if self.kernel is None else (scores + self.kernel(features)) / 2

    def forward(self, pictures: Tensor) -> Tensor:
        """float32 (N, C, H, W) in [0, 1] -> scores (N, outputs)."""
        return self.scores(self.features(pictures))


MNIST_MEAN, MNIST_STD = (0.1307,), (0.3081,)
PHOTO_MEAN, PHOTO_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def digits_linear() -> Network:
    """One matrix: 784 pixels to ten scores."""
    return Network(nn.Flatten(), nn.Linear(28 * 28, 10), MNIST_MEAN, MNIST_STD)


def digits_mlp(hidden: int = 800) -> Network:
    """One hidden layer of 800 units, the size of Simard et al. (ICDAR 2003)."""
    body = nn.Sequential(nn.Flatten(), nn.Linear(28 * 28, hidden), nn.ReLU(), nn.Dropout(0.3))
    return Network(body, nn.Linear(hidden, 10), MNIST_MEAN, MNIST_STD)


def digits_cnn(repeats: int = 3) -> Network:
    """Three blocks of 3x3 convolutions, 28 -> 14 -> 7 -> 3 pixels, then 128 features.

    Args:
        repeats: Convolutions in the second and in the third block.
    """
    body = nn.Sequential(
        *_conv(1, 32), *_conv(32, 32), nn.MaxPool2d(2),
        *_convs(32, 64, repeats), nn.MaxPool2d(2),
        *_convs(64, 128, repeats), nn.MaxPool2d(2), nn.Flatten(), nn.Dropout(0.3),
        nn.Linear(128 * 3 * 3, 128, bias=False), nn.BatchNorm1d(128), nn.ReLU(),
    )  # fmt: skip
    return Network(body, nn.Linear(128, 10), MNIST_MEAN, MNIST_STD)


def digits_small_cnn() -> Network:
    """Seven convolutions, 28 -> 14 -> 7 pixels by strides: a fifth of the multiplications of `digits_cnn`.

    Black stays 0, so that export can put the scale into the first convolution.
    """
    body = nn.Sequential(
        *_conv(1, 16), *_conv(16, 32, stride=2),
        *_convs(32, 32, 2), *_conv(32, 64, stride=2),
        *_convs(64, 64, 2), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(64 * 3 * 3, 128, bias=False), nn.BatchNorm1d(128), nn.ReLU(),
    )  # fmt: skip
    return Network(body, nn.Linear(128, 10), (0.0,), MNIST_STD)


def cars_mlp(side: int) -> Network:
    """The lecture's first price network: one hidden layer of 100 units."""
    body = nn.Sequential(nn.Flatten(), nn.Linear(3 * side * side, 100), nn.ReLU())
    return Network(body, nn.Linear(100, 1), PHOTO_MEAN, PHOTO_STD)


def cars_cnn() -> Network:
    """Three convolution blocks that halve the picture, then two linear layers."""
    body = nn.Sequential(
        *_conv(3, 48, stride=2), nn.MaxPool2d(2),
        *_conv(48, 96), nn.MaxPool2d(2),
        *_conv(96, 192), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Dropout(0.3),
        nn.Linear(192 * 4 * 4, 128, bias=False), nn.BatchNorm1d(128), nn.ReLU(),
    )  # fmt: skip
    return Network(body, nn.Linear(128, 1), PHOTO_MEAN, PHOTO_STD)


class Ensemble(nn.Module):
    """Several modules with the same input; their features (N, F) are concatenated."""

    def __init__(self, members: Iterable[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, x: Tensor) -> Tensor:
        """The input of each member -> (N, members * F)."""
        return torch.cat([member(x) for member in self.members], dim=1)


def cars_transfer(members: int = 2, hidden: int = 256) -> Network:
    """Transfer learning: a frozen ImageNet trunk, several tails, head and kernel.

    Only the tails, the last blocks, are fine-tuned (training/fitting/transfer.py, docs/decisions/0010). The
    head is the mean of those that were trained with the tails; the kernel is fitted on the features of all.

    Args:
        members: Tails.
        hidden: Features of each tail.
    """
    parts = [efficientnet.efficientnet_lite2() for _ in range(members)]
    tails = Ensemble(
        nn.Sequential(
            tail, nn.BatchNorm1d(efficientnet.FEATURES), nn.Dropout(0.3),
            nn.Linear(efficientnet.FEATURES, hidden), nn.ReLU(), nn.Dropout(0.3),
        )
        for _, tail in parts
    )  # fmt: skip
    body = nn.Sequential(parts[0][0], tails)
    width = members * hidden
    return Network(body, nn.Linear(width, 1), efficientnet.MEAN, efficientnet.STD, KernelRidge(width))


def _conv(channels_in: int, channels_out: int, stride: int = 1) -> tuple[nn.Module, nn.Module, nn.Module]:
    conv = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)
    return conv, nn.BatchNorm2d(channels_out), nn.ReLU()


def _convs(channels_in: int, channels_out: int, repeats: int) -> list[nn.Module]:
    widths = [channels_in] + [channels_out] * (repeats - 1)
    return [layer for width in widths for layer in _conv(width, channels_out)]


def to_float(pixels: Tensor) -> Tensor:
    """Pixels, uint8 (N, H, W, C) -> float32 (N, C, H, W) in [0, 1], as in the exported graph.

    Feature maps behind a frozen trunk, float16 (N, C, H, W), are only widened to float32.
    """
    if pixels.dtype != torch.uint8:
        return pixels.float()
    # The strides stay those of (N, H, W, C): torch's channels_last, fastest for convolutions.
    return pixels.permute(0, 3, 1, 2).float() / 255
