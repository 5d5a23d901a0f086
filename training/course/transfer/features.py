"""Features of a pretrained network: how pictures are described, compared, and learned from."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.course.workbench import Workbench
from training.data.splits import Examples
from training.networks.efficientnet import MEAN, STD, efficientnet_lite2

SIDE = 96
"""Pixels to which pictures are enlarged: a network made for 260 sees little in 28."""

PENALTY = 1e-3
"""Of the head's squared weights, added to the cross entropy."""


@dataclass(frozen=True)
class Described:
    """Pictures and their descriptors.

    Attributes:
        pixels: float32 (N, C, H, W) in [0, 1].
        features: float32 (N, 2560).
        classes: int64 (N,).
    """

    pixels: Tensor
    features: Tensor
    classes: Tensor

    def chosen(self, index: Tensor) -> "Described":
        """Some of them."""
        return Described(self.pixels[index], self.features[index], self.classes[index])


class Descriptor:
    """EfficientNet-Lite2 without its classifier."""

    def __init__(self, workbench: Workbench) -> None:
        parts = efficientnet_lite2(workbench.data)
        self._network = nn.Sequential(*parts).eval().to(memory_format=torch.channels_last)
        self._workbench = workbench

    @torch.no_grad()
    def __call__(
        self, pixels: Tensor, side: tuple[int, int] = (SIDE, SIDE), normalise: bool = True
    ) -> Tensor:
        """Describe pictures: float32 (N, C, H, W) in [0, 1] -> (N, 2560).

        Args:
            pixels: Grey or in colour.
            side: Height and width to which they are enlarged.
            normalise: As the pictures of the pretraining were.
        """
        rows = []
        for batch in self._workbench.track(pixels.split(50), "descriptors", -(-len(pixels) // 50)):
            large = F.interpolate(batch, side, mode="bilinear").expand(-1, 3, -1, -1)
            large = (large - MEAN[0]) / STD[0] if normalise else large
            rows.append(self._network(large.contiguous(memory_format=torch.channels_last)))
        return torch.cat(rows)


def linear_head(features: Tensor, classes: Tensor) -> Callable[[Tensor], Tensor]:
    """A linear layer on standardised features, fitted with L-BFGS under a small weight decay.

    Args:
        features: float32 (N, F).
        classes: int64 (N,).

    Returns:
        A function from features (M, F) to scores (M, K).
    """
    mean, std = features.mean(0), features.std(0) + 1e-3
    known = (features - mean) / std
    head = nn.Linear(features.shape[1], int(classes.max()) + 1)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=60)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(head(known), classes) + PENALTY * head.weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return lambda others: head((others - mean) / std).detach()


def nearest(queries: Tensor, known: Tensor, count: int = 1) -> Tensor:
    """The indices of the known rows with the largest cosine to each query, int64 (N, count)."""
    similarity = F.normalize(queries.flatten(1)) @ F.normalize(known.flatten(1)).T
    return similarity.topk(count, dim=1).indices


def describe(descriptor: Descriptor, examples: Examples) -> Described:
    """Pictures, classes and descriptors of examples, without a view of their own."""
    pixels = torch.from_numpy(examples.pixels).permute(0, 3, 1, 2).float() / 255
    return Described(pixels, descriptor(pixels), torch.from_numpy(examples.targets.astype(np.int64)))


def accuracy(answers: Tensor, test: Described) -> float:
    """The fraction of right answers, int64 (M,), to the first M pictures."""
    return float((answers == test.classes[: len(answers)]).float().mean())
