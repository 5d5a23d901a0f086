"""A pretrained network as a description of pictures at every level: texture, parts, objects."""

import torch
from torch import Tensor, nn

EPSILON = 1e-6
"""Added to variances: the square root has no derivative, and fp16 no precision, at 0."""


class Pyramid(nn.Module):
    """The features of a network of timm, and the mean and deviation of its maps at each inner level.

    What a network has learned of objects lies in its last features; what of textures, edges and shades, by
    which tiles, leaves and X-rays differ, lies in the maps before and is gone at the end.

    Attributes:
        widths: Features of the last level and of all inner ones together.
    """

    def __init__(self, network: nn.Module, side: int = 64) -> None:
        """Wrap a network without classifier.

        Args:
            network: Of timm, with `forward_intermediates` and `forward_head`.
            side: Of a picture to find the widths with, in pixels.
        """
        super().__init__()
        self.network = network.eval()
        with torch.no_grad():
            final, levels = self._both(torch.zeros(1, 3, side, side))
        self.widths = final.shape[1], levels.shape[1]

    def forward(self, pictures: Tensor) -> Tensor:
        """Normalised pictures float32 (N, 3, H, W) -> (N, sum(widths))."""
        return torch.cat(self._both(pictures), dim=1)

    def _both(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        maps, inner = self.network.forward_intermediates(pictures)  # type: ignore[operator]
        final: Tensor = self.network.forward_head(maps, pre_logits=True)  # type: ignore[operator]
        return final, torch.cat([moment for level in inner for moment in _moments(level)], dim=1)


def _moments(maps: Tensor) -> tuple[Tensor, Tensor]:
    """(N, C, H, W) -> the mean of each map and its standard deviation, (N, C) each."""
    mean = maps.mean((2, 3), keepdim=True)
    variance = (maps - mean).square().mean((2, 3))
    return mean[:, :, 0, 0], (variance + EPSILON).sqrt()
