"""Familiarity: high for features like the training pictures', low for outliers of any kind."""

import numpy as np
import pytest
import torch

from models.model import open_model
from tests.training.conftest import LINEAR
from training.data.synthetic.outliers import draw_outliers
from training.export.familiarity import Familiarity, familiarity_threshold
from training.recipes import RECIPES

pytestmark = pytest.mark.slow


def test_familiarity_refuses_outliers():
    """Outliers like those it was fitted on, and others like nothing it has seen."""
    torch.manual_seed(0)
    mix = torch.randn(6, 30)
    centres = 4 * torch.randn(3, 6)

    def usual(count):
        return (centres[torch.randint(0, 3, (count,))] + torch.randn(count, 6)) @ mix

    def outliers(count):
        return (2 * torch.randn(count, 6)) @ mix + torch.randn(count, 30)

    familiarity = Familiarity(usual(2000), outliers(2000))
    threshold = familiarity_threshold(familiarity(usual(2000)).numpy())

    assert (familiarity(usual(2000)) >= threshold).float().mean() > 0.97
    assert (familiarity(outliers(500)) < threshold).float().mean() > 0.95
    assert (familiarity((20 + torch.randn(500, 6)) @ mix) < threshold).float().mean() > 0.99
    assert (familiarity(usual(500) + 5 * torch.randn(500, 30)) < threshold).float().mean() > 0.99


@pytest.mark.parametrize("data_set", ["mnist", "cars"])
def test_outliers_depend_on_the_seed_alone(data, data_set):
    view = LINEAR.view if data_set == "mnist" else RECIPES["cars-cnn"].view
    once, again, other = (draw_outliers(data_set, view, 14, seed, data) for seed in (1, 1, 2))

    assert {"blank", "noise", "scribble", "letters", "landscape", "clothing"} < set(once)
    for kind, pixels in once.items():
        assert pixels.shape == (2, *view.shape)
        assert np.array_equal(pixels, again[kind])
    assert not all(np.array_equal(pixels, other[kind]) for kind, pixels in once.items())


def test_exported_models_refuse_outliers(trained_zoo):
    measured = open_model(trained_zoo / "digits-cnn.onnx").card.measured.values

    assert measured["familiar"] > 0.9
    assert measured["strangers_refused"] > 0.8
