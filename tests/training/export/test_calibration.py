"""Calibration: temperatures, intervals, and what is familiar."""

import numpy as np
import pytest
import torch

from models.model import open_model
from tests.training.conftest import LINEAR
from training.data.synthetic.outliers import draw_outliers
from training.export import calibration as calibrate
from training.recipes import RECIPES


def test_temperature_repairs_overconfidence():
    torch.manual_seed(0)
    honest = torch.randn(5000, 10)
    classes = torch.distributions.Categorical(logits=honest).sample()

    assert calibrate.temperature(3 * honest, classes) == pytest.approx(3, rel=0.1)


def prices(rng, count, growth=0.0):
    """Residuals of a skewed law in groups that share an offset, `growth` more of it for each score."""
    groups = np.repeat(np.arange(count), 10)
    scores = rng.normal(0, 1, count)[groups] + rng.normal(0, 0.2, len(groups))
    residuals = rng.gamma(2, 0.2, count)[groups] + rng.normal(0, 0.1, len(groups))
    return residuals * np.exp(growth * scores), scores, groups.astype(str)


def inside(interval, residuals, scores):
    low, high = (bound.numpy() for bound in interval(torch.from_numpy(scores)))
    return (low <= residuals) & (residuals <= high)


@pytest.mark.parametrize("growth", [0.0, 0.6, -0.4])
def test_interval_covers_unseen_groups(growth):
    """Of all scores as of the lower and the upper half alone, however uncertainty grows with them."""
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(40):
        interval = calibrate.interval(*prices(rng, 100, growth), coverage=0.9)
        residuals, scores, _ = prices(rng, 200, growth)
        covered, upper = inside(interval, residuals, scores), scores > 0
        shares.append((covered.mean(), covered[upper].mean(), covered[~upper].mean()))

    assert all(0.88 < share < 0.93 for share in np.mean(shares, axis=0))


def test_interval_grows_with_the_score_only_as_far_as_calibration_saw():
    interval = calibrate.interval(*prices(np.random.default_rng(1), 300, growth=0.6), coverage=0.9)
    least, greatest = interval.scores

    assert 0.5 < interval.slope < 1
    low, high = interval(torch.tensor([least - 5, least, greatest, greatest + 5]))
    below, least_width, greatest_width, above = high - low
    assert greatest_width > 3 * least_width
    assert below == least_width and above == greatest_width


def test_interval_of_a_few_groups_stays_sensible():
    """Three photos, told nearly right but for the dearest: no astronomic slope comes of it."""
    residuals, scores = np.array([1e-7, -1e-7, 0.5]), np.array([-1.0, 0.0, 1.0])

    interval = calibrate.interval(residuals, scores, np.array(["a", "b", "c"]), coverage=0.9)

    assert 0 < interval.slope < 2


def test_familiarity_tells_strange_features_from_usual_ones():
    """Strangers like those it was shown, and others like nothing it has seen."""
    torch.manual_seed(0)
    mix = torch.randn(6, 30)
    centres = 4 * torch.randn(3, 6)

    def usual(count):
        return (centres[torch.randint(0, 3, (count,))] + torch.randn(count, 6)) @ mix

    def outliers(count):
        return (2 * torch.randn(count, 6)) @ mix + torch.randn(count, 30)

    familiarity = calibrate.Familiarity(usual(2000), outliers(2000))
    threshold = calibrate.threshold(familiarity(usual(2000)).numpy())

    assert (familiarity(usual(2000)) >= threshold).float().mean() > 0.97
    assert (familiarity(outliers(500)) < threshold).float().mean() > 0.95
    assert (familiarity((20 + torch.randn(500, 6)) @ mix) < threshold).float().mean() > 0.99
    assert (familiarity(usual(500) + 5 * torch.randn(500, 30)) < threshold).float().mean() > 0.99


@pytest.mark.parametrize("data_set", ["mnist", "cars"])
def test_strangers_are_strange_and_the_same_for_the_same_seed(data, data_set):
    view = LINEAR.view if data_set == "mnist" else RECIPES["cars-cnn"].view
    once, again, other = (draw_outliers(data_set, view, 14, seed, data) for seed in (1, 1, 2))

    assert {"blank", "noise", "scribble", "letters", "landscape", "clothing"} < set(once)
    for kind, pixels in once.items():
        assert pixels.shape == (2, *view.shape)
        assert np.array_equal(pixels, again[kind])
    assert not all(np.array_equal(pixels, other[kind]) for kind, pixels in once.items())


def test_a_model_trained_on_the_way_knows_strangers(trained_zoo):
    measured = open_model(trained_zoo / "digits-cnn.onnx").card.measured.values

    assert measured["familiar"] > 0.9
    assert measured["strangers_refused"] > 0.8
