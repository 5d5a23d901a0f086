"""A pretrained network as a description of pictures at every level: texture, parts, objects."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

EPSILON = 1e-6
"""Added to variances: the square root has no derivative, and fp16 no precision, at 0."""


class Stages(nn.Module):
    """A network in stages: pictures (N, 3, H, W) -> its features (N, F), and the maps after each stage."""

    def __init__(self, stages: Sequence[nn.Module], last: nn.Module) -> None:
        """Stages that take maps to maps, and the last one, which takes maps to features."""
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.last = last

    def forward(self, pictures: Tensor) -> tuple[Tensor, list[Tensor]]:
        """All of the network."""
        maps = [pictures]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return self.last(maps[-1]), maps[1:]

    def tail(self) -> nn.Module:
        """A copy of the last stage and of what follows: the maps before it -> features (N, F)."""
        return copy.deepcopy(nn.Sequential(self.stages[-1], self.last))


class Intermediates(nn.Module):
    """A network of timm, which says itself what its inner maps are; takes and returns as Stages does."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor) -> tuple[Tensor, list[Tensor]]:
        """All of the network."""
        final, maps = self.network.forward_intermediates(pictures)  # type: ignore[operator]
        return self.network.forward_head(final, pre_logits=True), maps  # type: ignore[operator]


class Pyramid(nn.Module):
    """The features of a network, and the mean and deviation of each of its inner maps.

    What a network has learned of objects lies in its features; what of textures, edges and shades, by which
    tiles, leaves and X-rays differ, lies in the maps before and is gone at the end.

    Attributes:
        widths: Features of the network itself, and of all inner maps together.
    """

    def __init__(self, network: Stages | Intermediates, side: int = 64) -> None:
        """Wrap a network.

        Args:
            network: Without a classifier.
            side: Of a picture to find the widths with, in pixels.
        """
        super().__init__()
        self.network = network.eval()
        with torch.no_grad():
            final, inner, _ = self._parts(torch.zeros(1, 3, side, side))
        self.widths = final.shape[1], inner.shape[1]

    def forward(self, pictures: Tensor) -> Tensor:
        """Normalised pictures float32 (N, 3, H, W) -> (N, sum(widths))."""
        return torch.cat(self._parts(pictures)[:2], dim=1)

    def with_maps(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """What `forward` gives, and the maps before the last stage, (N, C, H', W')."""
        final, inner, maps = self._parts(pictures)
        return torch.cat([final, inner], dim=1), maps[-2]

    def _parts(self, pictures: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        final, maps = self.network(pictures)
        return final, torch.cat([moment for level in maps for moment in _moments(level)], dim=1), maps


def _moments(maps: Tensor) -> tuple[Tensor, Tensor]:
    """(N, C, H, W) -> the mean of each map and its standard deviation, (N, C) each."""
    mean = maps.mean((2, 3), keepdim=True)
    variance = (maps - mean).square().mean((2, 3))
    return mean[:, :, 0, 0], (variance + EPSILON).sqrt()
