"""Fixtures of all tests: a zoo trained from scratch, real servers, and pictures."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from loadtests.server import REPO, serving
from models.image.views import DigitView, PhotoView
from models.model import ZOO
from tests.support.images import pictures
from training.data import augment, sources
from training.data.splits import Splits
from training.data.synthetic.cars import DrawnCar, draw
from training.export.export import export
from training.export.familiarity import FamiliarityOptions
from training.fitting.train import train_recipe
from training.networks.architectures import Network
from training.recipes import RECIPES


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder that MNIST is fetched to, once per clone."""
    return REPO / "data"


@pytest.fixture(scope="session")
def mnist(data: Path) -> Splits:
    """The first 6,000 training digits, and 600 each in the other parts."""
    return sources.load("mnist", DigitView(), data).limited(6000)


@pytest.fixture(scope="session")
def trained_zoo(tmp_path_factory: pytest.TempPathFactory, data: Path, mnist: Splits) -> Path:
    """A small digit classifier and a small price network, trained from scratch."""
    zoo = tmp_path_factory.mktemp("zoo")
    options = FamiliarityOptions(outliers=1050, examples=1050, test_outliers=280, steps=600)
    digits = replace(
        RECIPES["digits-cnn"],
        network=lambda: small_cnn(channels=1, side=28, outputs=10), augment=augment.distorted,
        epochs=2, batch_size=64, floors={"accuracy": 0.9}, pages=0, finish={},
    )  # fmt: skip
    cars = replace(
        RECIPES["drawn-cars"],
        network=lambda: small_cnn(channels=3, side=32, outputs=1), view=PhotoView(resize=32, crop=32),
    )  # fmt: skip
    drawings = sources.load("drawn-cars", cars.view)
    for recipe, splits in ((digits, mnist), (cars, drawings)):
        export(recipe, train_recipe(recipe, splits), splits, zoo, data, options)
    return zoo


def small_cnn(channels: int, side: int, outputs: int) -> Network:
    """Two convolutions and 256 features, for pictures of side x side pixels."""
    body = nn.Sequential(
        nn.Conv2d(channels, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * (side // 4) ** 2, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(),
    )  # fmt: skip
    return Network(body, nn.Linear(256, outputs), mean=(0.5,) * channels, std=(0.25,) * channels)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Base URL of a server with the models of the repository."""
    with serving(ZOO, tmp_path_factory.mktemp("server") / "log") as url:
        yield url


@pytest.fixture
def digit_png() -> bytes:
    return pictures.encoded(pictures.digit(7))


@pytest.fixture
def car_png() -> bytes:
    car = DrawnCar(body="suv", length=0.7, wheel=0.11, trim=0.5)
    return pictures.encoded(draw(car, np.random.default_rng(3)))
