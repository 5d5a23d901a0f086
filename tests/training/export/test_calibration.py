"""Calibration: temperatures and intervals."""

import numpy as np
import pytest
import torch

from training.export.calibration import fit_interval, fit_temperature


def test_temperature_repairs_overconfidence():
    torch.manual_seed(0)
    honest = torch.randn(5000, 10)
    classes = torch.distributions.Categorical(logits=honest).sample()

    assert fit_temperature(3 * honest, classes) == pytest.approx(3, rel=0.1)


def prices(rng, count, growth=0.0):
    """Skewed residuals in groups with a common offset, whose logarithm grows by `growth` per score."""
    groups = np.repeat(np.arange(count), 10)
    scores = rng.normal(0, 1, count)[groups] + rng.normal(0, 0.2, len(groups))
    residuals = rng.gamma(2, 0.2, count)[groups] + rng.normal(0, 0.1, len(groups))
    return residuals * np.exp(growth * scores), scores, groups.astype(str)


def inside(interval, residuals, scores):
    low, high = (bound.numpy() for bound in interval(torch.from_numpy(scores)))
    return (low <= residuals) & (residuals <= high)


@pytest.mark.parametrize("growth", [0.0, 0.6, -0.4])
def test_interval_covers_unseen_groups(growth):
    """Over all scores as over the lower and the upper half alone, whatever the growth."""
    rng = np.random.default_rng(0)
    fractions = []
    for _ in range(40):
        interval = fit_interval(*prices(rng, 100, growth), coverage=0.9)
        residuals, scores, _ = prices(rng, 200, growth)
        covered, upper = inside(interval, residuals, scores), scores > 0
        fractions.append((covered.mean(), covered[upper].mean(), covered[~upper].mean()))

    assert all(0.88 < fraction < 0.93 for fraction in np.mean(fractions, axis=0))


def test_interval_grows_within_the_calibration_scores_only():
    interval = fit_interval(*prices(np.random.default_rng(1), 300, growth=0.6), coverage=0.9)
    least, greatest = interval.scores

    assert 0.5 < interval.slope < 1
    low, high = interval(torch.tensor([least - 5, least, greatest, greatest + 5]))
    below, least_width, greatest_width, above = high - low
    assert greatest_width > 3 * least_width
    assert below == least_width and above == greatest_width


def test_interval_of_a_few_groups_stays_sensible():
    """Three photos, all but the dearest predicted nearly right: the slope stays small."""
    residuals, scores = np.array([1e-7, -1e-7, 0.5]), np.array([-1.0, 0.0, 1.0])

    interval = fit_interval(residuals, scores, np.array(["a", "b", "c"]), coverage=0.9)

    assert 0 < interval.slope < 2
