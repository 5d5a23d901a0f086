"""`python -m tests.support.models.trained FOLDER DATA`: a small zoo, trained from scratch."""

import sys
from dataclasses import replace
from pathlib import Path

from torch import nn

from models.image.views import DigitView, PhotoView
from training.data import augment, sources
from training.export.export import export
from training.export.familiarity import FamiliarityOptions
from training.fitting.train import train_recipe
from training.networks.architectures import Network
from training.recipes import RECIPES


def train_zoo(folder: Path, data: Path) -> None:
    """Train and export a digit classifier and a price network; the folder appears when both are there."""
    partial = folder.with_suffix(".partial")
    options = FamiliarityOptions(outliers=1050, examples=1050, test_outliers=280, steps=600)
    digits = replace(
        RECIPES["digits-cnn"],
        network=lambda: small_cnn(channels=1, side=28, outputs=10), augment=augment.distorted,
        epochs=2, batch_size=64, floors={"accuracy": 0.9}, pages=0, outliers=0, teacher=None, finish={},
    )  # fmt: skip
    cars = replace(
        RECIPES["drawn-cars"],
        network=lambda: small_cnn(channels=3, side=32, outputs=1), view=PhotoView(resize=32, crop=32),
    )  # fmt: skip
    mnist = sources.load("mnist", DigitView(), data, at_most=6000)
    drawings = sources.load("drawn-cars", cars.view)
    for recipe, splits in ((digits, mnist), (cars, drawings)):
        export(recipe, train_recipe(recipe, splits), splits, partial, data, options)
    partial.rename(folder)


def small_cnn(channels: int, side: int, outputs: int) -> Network:
    """Two convolutions and 256 features, for pictures of side x side pixels."""
    body = nn.Sequential(
        nn.Conv2d(channels, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * (side // 4) ** 2, 256, bias=False), nn.BatchNorm1d(256), nn.ReLU(),
    )  # fmt: skip
    return Network(body, nn.Linear(256, outputs), mean=(0.5,) * channels, std=(0.25,) * channels)


if __name__ == "__main__":
    train_zoo(Path(sys.argv[1]), Path(sys.argv[2]))
