"""Typical errors with dimensions: provoked, so that the messages are the real ones, and explained."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.model import ZOO, open_model


@dataclass(frozen=True)
class Mistake:
    """Something that looks like a typical error.

    Attributes:
        code: What one writes.
        provoke: The same, to be run.
        meaning: What happened and what to do.
    """

    code: str
    provoke: Callable[[], object]
    meaning: str


def mistakes() -> list[Mistake]:
    """The lectures' typical errors, those that this repository's networks invite, and the silent ones."""
    x, one, five = torch.randn(4), torch.randn(1, 4), torch.randn(5, 4)
    weights = torch.randn(4, 1)
    pixels, photos = torch.rand(200, 28, 28, 1), torch.rand(8, 3, 64, 64)
    served = open_model(ZOO / "digits-linear.onnx")
    scores = torch.randn(200, 10)
    return [
        Mistake(
            "weights @ x  # (4, 1) @ (4,)",
            lambda: weights @ x,
            "The wrong order. A row times a column is wanted, (1, 4) @ (4, 1); the inner sizes must be"
            " equal, and here they are 1 and 4. Write x @ weights.",
        ),
        Mistake(
            "weights @ five  # (4, 1) @ (5, 4)",
            lambda: weights @ five,
            "The same with a batch of five: 1 and 5 meet in the middle. torch names both shapes in the"
            " order of the product.",
        ),
        Mistake(
            "nn.Linear(3, 1)(one)  # of (1, 4)",
            lambda: nn.Linear(3, 1)(one),
            "The layer expects three features and gets four. The second shape in the message is the"
            " weight's, transposed: its first number is in_features.",
        ),
        Mistake(
            "nn.Linear(784, 10)(pictures)  # of (200, 1, 28, 28)",
            lambda: nn.Linear(784, 10)(pixels.permute(0, 3, 1, 2)),
            "Flatten is missing. A linear layer works on the last axis only, so torch took 200 x 1 x 28 ="
            " 5600 rows of 28.",
        ),
        Mistake(
            "nn.Linear(3072, 100)(photos.flatten(1))  # of (8, 3, 64, 64)",
            lambda: nn.Linear(3072, 100)(photos.flatten(1)),
            "The network was made for 3 x 32 x 32 and the photos are 64 x 64. The view of a model (its"
            " resize and crop) fixes the size of its first layer.",
        ),
        Mistake(
            "nn.Conv2d(1, 16, 3)(pixels)  # of (200, 28, 28, 1)",
            lambda: nn.Conv2d(1, 16, 3)(pixels),
            "Channels last, as in files and in the served graph's input; torch wants (N, C, H, W). It took"
            " the 28 rows for channels.",
        ),
        Mistake(
            "nn.Linear(784, 10)(pixels)  # of uint8",
            lambda: nn.Linear(784, 10)(torch.zeros(1, 784, dtype=torch.uint8)),
            "Shapes agree, types do not: pixels are bytes until somebody divides them by 255.",
        ),
        Mistake(
            "F.cross_entropy(scores, labels)  # (200, 10), (199,)",
            lambda: F.cross_entropy(scores, torch.zeros(199, dtype=torch.long)),
            "One label for each row of scores; one was lost, often with the last batch.",
        ),
        Mistake(
            "served(pixels)  # of (28, 28, 1)",
            lambda: served(np.zeros((28, 28, 1), np.uint8)),
            "onnxruntime's words for a missing batch dimension: the rank is the number of axes. One picture"
            " is a batch of one, pixels[None].",
        ),
        Mistake(
            "x @ weights  # (4,) @ (4, 1)",
            lambda: x @ weights,
            "No error: the lectures call a missing batch dimension one, but torch adds the axis for the"
            " product and takes it away again. It is found later, where somebody counts rows.",
        ),
        Mistake(
            "weights @ one  # (4, 1) @ (1, 4)",
            lambda: weights @ one,
            "No error: the reversed order is an outer product, 16 numbers instead of one.",
        ),
        Mistake(
            "(predictions - prices).abs().mean()  # (5, 1) - (5,)",
            lambda: (torch.arange(5.0)[:, None] - torch.arange(5.0)).abs().mean(),
            "No error, and the worst of all: every prediction is equal to its price, yet the loss is not 0."
            " (5, 1) and (5,) are broadcast to (5, 5), each prediction against each price. Write"
            " predictions.squeeze(1).",
        ),
    ]


def outcome(mistake: Mistake) -> tuple[bool, str]:
    """Whether it raised, and the message; else what came out of it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = mistake.provoke()
    # torch raises RuntimeError and ValueError, onnxruntime exceptions without a public base class.
    except Exception as error:
        return True, f"{type(error).__name__}: {error}"
    assert isinstance(result, Tensor)
    return False, f"{result.item():.1f}" if result.ndim == 0 else f"tensor of shape {tuple(result.shape)}"
