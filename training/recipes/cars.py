"""The price of a car from its photo: MLP, CNN, transfer learning, drawn cars."""

from models.image.views import PhotoView, SquashView
from training.data import augment
from training.networks import architectures
from training.recipe import Recipe

MLP_SIDE = 32
"""Pixels. More of them overfit: at 64 the validation error is that of a constant (docs/log.md)."""

# Cars are wide, and a square crop would cut off their ends. With the shorter side at two thirds of the
# crop, a 3:2 photo is seen whole between black bars.

MLP = Recipe(
    name="cars-mlp",
    summary="The list price of a car from a photo, by flattened pixels and one hidden layer.",
    task="regression",
    data="cars",
    view=PhotoView(resize=2 * MLP_SIDE // 3, crop=MLP_SIDE),
    network=lambda: architectures.cars_mlp(MLP_SIDE),
    augment=augment.street,
    epochs=60,
    batch_size=64,
    learning_rate=1e-3,
    weight_decay=5e-2,
    patience=15,
)

CNN = Recipe(
    name="cars-cnn",
    summary="The list price of a car from a photo, by three convolution blocks.",
    task="regression",
    data="cars",
    view=PhotoView(resize=96, crop=144),
    network=architectures.cars_cnn,
    augment=augment.street,
    epochs=30,
    batch_size=64,
    learning_rate=2e-3,
    weight_decay=1e-2,
    patience=15,
)

TRANSFER = Recipe(
    name="cars-transfer",
    summary="The list price of a car from a photo, by a network that learned to see on ImageNet.",
    task="regression",
    data="cars",
    view=SquashView(width=256, height=208),
    network=architectures.cars_transfer,
    augment=augment.street,
    # An epoch is four augmented views of every photo.
    epochs=2,
    batch_size=64,
    learning_rate=7e-4,
    weight_decay=2e-2,
    frozen_body=True,
    half_weights=True,
    hints={"maker": 0.3, "body": 0.2},
)

RECIPES = (MLP, CNN, TRANSFER)

DRAWN = Recipe(
    name="drawn-cars",
    summary="The price of a drawn car: the whole price pipeline on pictures made here.",
    task="regression",
    data="drawn-cars",
    view=PhotoView(resize=64, crop=64),
    network=architectures.cars_cnn,
    augment=augment.none,
    epochs=12,
    batch_size=32,
    learning_rate=3e-3,
    floors={"median_ape": 0.15},
)
