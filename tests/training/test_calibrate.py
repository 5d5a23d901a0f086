"""Calibration: temperatures, intervals, and what is familiar."""

import numpy as np
import pytest
import torch

from models.zoo import open_model
from tests.training.conftest import LINEAR
from training import calibrate
from training.recipes import RECIPES
from training.strangers import strangers


def test_temperature_repairs_overconfidence():
    torch.manual_seed(0)
    honest = torch.randn(5000, 10)
    classes = torch.distributions.Categorical(logits=honest).sample()

    assert calibrate.temperature(3 * honest, classes) == pytest.approx(3, rel=0.1)


def test_interval_covers_unseen_groups():
    """Residuals of a skewed law, in groups that share an offset: coverage on groups never seen."""
    rng = np.random.default_rng(0)

    def residuals(count):
        groups = np.repeat(np.arange(count), 10)
        return rng.gamma(2, 0.2, count)[groups] + rng.normal(0, 0.1, len(groups)), groups.astype(str)

    inside = []
    for _ in range(40):
        low, high = calibrate.interval(*residuals(100), coverage=0.9)
        fresh, _ = residuals(200)
        inside.append(((low <= fresh) & (fresh <= high)).mean())

    assert 0.88 < np.mean(inside) < 0.93


def test_familiarity_tells_strange_features_from_usual_ones():
    """Strangers like those it was shown, and others like nothing it has seen."""
    torch.manual_seed(0)
    mix = torch.randn(6, 30)
    centres = 4 * torch.randn(3, 6)

    def usual(count):
        return (centres[torch.randint(0, 3, (count,))] + torch.randn(count, 6)) @ mix

    def strange(count):
        return (2 * torch.randn(count, 6)) @ mix + torch.randn(count, 30)

    familiarity = calibrate.Familiarity(usual(2000), strange(2000))
    threshold = calibrate.threshold(familiarity(usual(2000)).numpy())

    assert (familiarity(usual(2000)) >= threshold).float().mean() > 0.97
    assert (familiarity(strange(500)) < threshold).float().mean() > 0.95
    assert (familiarity((20 + torch.randn(500, 6)) @ mix) < threshold).float().mean() > 0.99
    assert (familiarity(usual(500) + 5 * torch.randn(500, 30)) < threshold).float().mean() > 0.99


@pytest.mark.parametrize("data_set", ["mnist", "cars"])
def test_strangers_are_strange_and_the_same_for_the_same_seed(data, data_set):
    view = LINEAR.view if data_set == "mnist" else RECIPES["cars-cnn"].view
    once, again, other = (strangers(data_set, view, 14, seed, data) for seed in (1, 1, 2))

    assert {"blank", "noise", "scribble", "letters", "landscape", "clothing"} < set(once)
    for kind, pixels in once.items():
        assert pixels.shape == (2, *view.shape)
        assert np.array_equal(pixels, again[kind])
    assert not all(np.array_equal(pixels, other[kind]) for kind, pixels in once.items())


def test_a_model_trained_on_the_way_knows_strangers(trained_zoo):
    measured = open_model(trained_zoo / "digits-cnn.onnx").card.measured.values

    assert measured["familiar"] > 0.9
    assert measured["strangers_refused"] > 0.8
