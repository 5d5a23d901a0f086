"""Clothing in ten classes: Fashion-MNIST."""

from functools import partial

from models.image.views import GreyView
from training.data import augment
from training.data.mnist import FASHION_LABELS
from training.networks import architectures
from training.recipe import Recipe

CNN = Recipe(
    name="fashion-cnn",
    summary="One piece of clothing before a plain ground, in ten classes, by a small convolutional network.",
    task="classification",
    data="fashion-mnist",
    view=GreyView(),
    labels=FASHION_LABELS,
    network=partial(architectures.digits_cnn, repeats=2),
    augment=augment.garment,
    epochs=16,
    batch_size=128,
    learning_rate=3e-3,
    patience=15,
    floors={"accuracy": 0.92},
)

RECIPES = (CNN,)
