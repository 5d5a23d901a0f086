"""Handwritten digits: linear, one hidden layer, convolutional; the first two in NumPy too."""

from models.image.views import DigitView
from training.data import augment
from training.networks import architectures
from training.recipe import Recipe

LABELS = tuple("0123456789")

LINEAR = Recipe(
    name="digits-linear",
    summary="One handwritten digit, by a single linear layer: the lectures' first classifier.",
    task="classification",
    data="mnist",
    view=DigitView(),
    labels=LABELS,
    network=architectures.digits_linear,
    augment=augment.none,
    epochs=20,
    batch_size=128,
    learning_rate=3e-3,
    floors={"accuracy": 0.920},
)

MLP = Recipe(
    name="digits-mlp",
    summary="One handwritten digit, by one hidden layer of 800 units.",
    task="classification",
    data="mnist",
    view=DigitView(),
    labels=LABELS,
    network=architectures.digits_mlp,
    augment=augment.distorted,
    epochs=100,
    batch_size=128,
    learning_rate=1.5e-3,
    patience=100,
    floors={"accuracy": 0.990},
)

TEACHER = Recipe(
    name="digits-teacher",
    summary="One handwritten digit, by a larger convolutional network that digits-cnn learns from.",
    task="classification",
    data="mnist",
    view=DigitView(),
    labels=LABELS,
    network=architectures.digits_cnn,
    augment=augment.handwriting,
    pages=30_000,
    # Users' photos first, then a phase nearer to MNIST (docs/decisions/0009).
    finish={"epochs": 5, "learning_rate": 3e-4, "augment": augment.distorted, "pages": 8_000},
    epochs=24,
    batch_size=128,
    learning_rate=3e-3,
    patience=15,
)

CNN = Recipe(
    name="digits-cnn",
    summary="One handwritten digit, by a small convolutional network; for photos and drawings too.",
    task="classification",
    data="mnist",
    view=DigitView(),
    labels=LABELS,
    network=architectures.digits_small_cnn,
    augment=augment.handwriting_or_distorted,
    pages=30_000,
    teacher=TEACHER,
    views=6,
    outliers=12_000,
    epochs=4,
    batch_size=128,
    learning_rate=3e-3,
    patience=15,
    floors={"accuracy": 0.995, "familiar": 0.98, "strangers_refused": 0.97},
)

NUMPY_LINEAR = Recipe(
    name="digits-numpy-linear",
    summary="One handwritten digit, by a single linear layer that learned in NumPy: W += lr * E X^T.",
    task="classification",
    data="mnist",
    view=DigitView(),
    labels=LABELS,
    network=architectures.digits_linear,
    by_hand="templates",
    augment=augment.none,
    epochs=20,
    batch_size=200,
    # Of a sum over the batch: of its mean this is 0.2.
    learning_rate=1e-3,
    patience=20,
    floors={"accuracy": 0.920},
)

NUMPY_MLP = Recipe(
    name="digits-numpy-mlp",
    summary="One handwritten digit, by one hidden layer of 800 units, "
    "every gradient written by hand in NumPy.",
    task="classification",
    data="mnist",
    view=DigitView(),
    labels=LABELS,
    network=architectures.digits_mlp,
    by_hand="backpropagation",
    augment=augment.distorted,
    epochs=60,
    batch_size=200,
    learning_rate=1.5e-3,
    weight_decay=0.0,
    patience=60,
    floors={"accuracy": 0.989},
)

RECIPES = (LINEAR, MLP, CNN, NUMPY_LINEAR, NUMPY_MLP)
