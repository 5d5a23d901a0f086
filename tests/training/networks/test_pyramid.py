"""The pyramid of features: a network's own, then means and deviations of its inner maps, by NumPy."""

import numpy as np
import pytest
import timm
import torch
from torch import nn

from training.networks import efficientnet
from training.networks.pyramid import EPSILON, Intermediates, Pyramid, Stages

TINY = [
    "test_efficientnet.r160_in1k",
    "test_resnet.r160_in1k",
    "test_vit.r160_in1k",
    "test_convnext.r160_in1k",
]
"""Networks of timm that are small enough for tests; the third insists on the size of its pictures."""

SIDE = 160


def pictures(count: int = 3, height: int = 32, width: int = 48) -> torch.Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))


def by_hand() -> Stages:
    torch.manual_seed(0)
    first = nn.Sequential(nn.Conv2d(3, 5, 3, stride=2), nn.ReLU())
    last = nn.Sequential(nn.AdaptiveMaxPool2d(1), nn.Flatten())
    return Stages([first, nn.Conv2d(5, 7, 3)], last)


def tiny(name: str) -> nn.Module:
    torch.manual_seed(0)
    network: nn.Module = timm.create_model(name, pretrained=False, num_classes=0)
    return network.eval()


def moments(maps: torch.Tensor) -> list[np.ndarray]:
    """Of float32 (N, C, H, W), in float64: (N, C) each."""
    flat = maps.double().numpy().reshape(*maps.shape[:2], -1)
    return [flat.mean(2), np.sqrt(flat.var(2) + EPSILON)]


@torch.no_grad()
def test_features_are_the_networks_own_then_the_moments_of_each_map_in_order():
    stages = by_hand()
    pyramid = Pyramid(stages)
    first = stages.stages[0](pictures())
    second = stages.stages[1](first)
    expected = np.concatenate([second.amax((2, 3)).numpy(), *moments(first), *moments(second)], axis=1)

    features = pyramid(pictures())

    assert pyramid.widths == (7, 2 * 5 + 2 * 7)
    assert features.dtype == torch.float32
    np.testing.assert_allclose(features.numpy(), expected, atol=1e-5)


@torch.no_grad()
def test_a_flat_map_deviates_by_the_root_of_epsilon_even_where_it_is_bright():
    """The mean of squares less the square of the mean would be noise there, or not a number."""
    network = Stages([nn.Identity()], nn.Flatten())
    features = Pyramid(network, side=8)(torch.full((1, 3, 8, 8), 60000.0))

    np.testing.assert_allclose(features[0, -3:].numpy(), EPSILON**0.5, rtol=1e-5)


@torch.no_grad()
def test_a_picture_has_the_same_features_whatever_is_beside_it():
    """In eval mode from the start: batch normalisation does not look at the batch."""
    torch.manual_seed(0)
    network = Stages(
        [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)], nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    )
    pyramid = Pyramid(network)

    together = pyramid(pictures())
    alone = torch.cat([pyramid(picture[None]) for picture in pictures()])

    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", TINY)
@torch.no_grad()
def test_of_a_network_of_timm_come_its_own_features_and_its_own_maps(name):
    network = tiny(name)
    pyramid = Pyramid(Intermediates(network), SIDE)
    some = pictures(2, SIDE, SIDE)
    maps = network.forward_intermediates(some, intermediates_only=True)

    features = pyramid(some)
    own, inner = features.split(pyramid.widths, dim=1)

    torch.testing.assert_close(own, network(some), atol=1e-5, rtol=1e-5)
    expected = np.concatenate([moment for level in maps for moment in moments(level)], axis=1)
    np.testing.assert_allclose(inner.numpy(), expected, atol=1e-4, rtol=1e-4)
    assert pyramid.widths == (network.num_features, 2 * sum(level.shape[1] for level in maps))


@torch.no_grad()
def test_lite2_in_stages_is_timms_own_network_with_mean_pooling():
    network = efficientnet.load_lite2(pool="fast").eval()
    stages = efficientnet.lite2_stages()
    pyramid = Pyramid(stages)
    some = pictures(2, 64, 96)
    maps = network.forward_intermediates(some, intermediates_only=True)

    features, inner = pyramid.network(some)

    torch.testing.assert_close(features, network(some), atol=1e-5, rtol=1e-5)
    assert len(inner) == len(network.blocks) == 7
    assert pyramid.widths == (1280, 2 * sum(level.shape[1] for level in inner))
    # timm gives the last map of each size; where it gives the same stage, the map is the same.
    same = [
        level for level in inner for one in maps if level.shape == one.shape and torch.allclose(level, one)
    ]
    assert len(same) >= 4
