"""Calibration by pictures that a head has not seen."""

import numpy as np
import pytest
import torch
from torch import nn

from models.card import ClassifierCard, Data, Golden, Measured
from models.image.views import SquashView
from training.custom.calibrate import classifier
from training.custom.crossfit import CrossFitted
from training.data.splits import Examples
from training.networks.architectures import Network

FEATURES, CLASSES = 3, 2


def facts():
    view = SquashView(width=8, height=8)
    return {
        "name": "things", "summary": "Things.", "view": view, "labels": ("a", "b"), "licence": "the owner's",
        "familiarity_threshold": 0.5,
        "training": Data(name="own", count=1, fingerprint="0" * 64, licence="the owner's"),
        "measured": Measured(data="none", n=1, values={}, baseline={}),
        "golden": Golden.of(np.zeros((1, *view.shape), np.uint8), {}),
    }  # fmt: skip


class Familiar(nn.Module):
    def forward(self, features):
        return torch.ones(len(features))


@pytest.mark.parametrize("count", [20, 200])
def test_heads_that_made_no_mistake_are_not_taken_to_make_none(count):
    classes = np.arange(count) % CLASSES
    scores = torch.from_numpy(np.where(np.eye(CLASSES)[classes] > 0, 4.0, -4.0)).float()
    network = Network(nn.Identity(), nn.Linear(FEATURES, CLASSES), (0.0,), (1.0,))
    fitted = CrossFitted(network.head, scores, 0.0, ((1.0, 1.0),))
    examples = Examples(np.zeros((count, 0), np.uint8), classes)

    _, card, outputs = classifier(
        network, fitted, Familiar(), examples, np.arange(count), torch.ones(CLASSES), facts()
    )

    assert isinstance(card, ClassifierCard)
    wrong = 1 - outputs["probabilities"].max(1).mean()
    # As if one more picture had been told wrong.
    assert 0.3 / (count + 1) < wrong < 1.5 / (count + 1)
