"""Drawn numbers instead of pictures, and a trunk of a few channels: nothing to download."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from training.custom.trunk import Trunk
from training.custom.tuning.tail import Tail
from training.networks.pyramid import Pyramid, Stages

SHAPE = (4, 3, 3)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def tail() -> Tail:
    """Maps of SHAPE -> eight features."""
    torch.manual_seed(0)
    pool = nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Tail(nn.Sequential(nn.Conv2d(4, 8, 1), nn.BatchNorm2d(8), pool), SHAPE).requires_grad_(False)


@pytest.fixture(scope="session")
def tiny_trunk() -> Trunk:
    """Three stages of convolutions with random filters, and no weights that anybody learned."""
    torch.manual_seed(1)
    widths = (3, 6, 8, 12)
    stages = [
        nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), nn.BatchNorm2d(b), nn.ReLU())
        for a, b in itertools.pairwise(widths)
    ]
    last = nn.Sequential(nn.Conv2d(12, 16, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    body = Pyramid(Stages(stages, last)).requires_grad_(False)
    return Trunk("tiny", body, (0.5,) * 3, (0.25,) * 3)
