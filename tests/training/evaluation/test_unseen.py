"""Metrics of answers to unseen pictures with their intervals, and the constant they are compared with."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, roc_auc_score

from models.card import Outputs
from training.data.splits import Examples
from training.evaluation import unseen
from training.evaluation.unseen import baseline, measure, resamples

CLASSES = 3

RESAMPLES = 100
"""A quarter of the usual ones: enough for the ends of an interval, and fast."""


def examples(targets: np.ndarray, groups: np.ndarray | None = None) -> Examples:
    pixels = np.zeros((len(targets), 1, 1, 1), np.uint8)
    return Examples(pixels, targets, None if groups is None else groups.astype(str))


def classified(count: int, seed: int = 0, sharpness: float = 2.0) -> tuple[Outputs, np.ndarray]:
    """Calibrated probabilities, and classes that were drawn by them."""
    rng = np.random.default_rng((3, seed))
    scores = np.exp(sharpness * rng.normal(size=(count, CLASSES)))
    probabilities = scores / scores.sum(1, keepdims=True)
    classes = (probabilities.cumsum(1) < rng.random((count, 1))).sum(1).clip(max=CLASSES - 1)
    familiarity = rng.random(count).astype(np.float32)
    return {"probabilities": probabilities.astype(np.float32), "familiarity": familiarity}, classes


def priced(count: int, seed: int = 0, copies: int = 1) -> tuple[Outputs, np.ndarray]:
    """Prices a fifth off, each with all its outputs `copies` times over."""
    rng = np.random.default_rng((4, seed))
    prices = np.exp(rng.normal(10, 0.5, count // copies))
    value = prices * np.exp(rng.normal(0, 0.2, len(prices)))
    width = value * rng.uniform(0.2, 0.4, len(prices))
    familiarity = rng.random(len(prices))
    outputs = {"value": value, "low": value - width, "high": value + width, "familiarity": familiarity}
    return {name: np.repeat(rows, copies) for name, rows in outputs.items()}, np.repeat(prices, copies)


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unseen, "RESAMPLES", RESAMPLES)


@pytest.mark.parametrize("count", [30, 400])
@pytest.mark.parametrize("make", [classified, priced])
def test_each_interval_holds_its_metric(make, count):
    outputs, targets = make(count)
    values, bounds = measure(outputs, examples(targets), 0.1, seed=0)

    assert list(bounds) == list(values)
    for name, (low, high) in bounds.items():
        assert low <= values[name] <= high, name
        assert low < high, name


@pytest.mark.parametrize("make", [classified, priced])
def test_fractions_have_the_interval_of_wilson(make):
    outputs, targets = make(90)
    values, bounds = measure(outputs, examples(targets), 0.3, seed=0)

    assert values["familiar"] == (outputs["familiarity"] >= 0.3).mean()
    for name in {"accuracy", "coverage", "familiar"} & set(values):
        expected = binomtest(round(values[name] * 90), 90).proportion_ci(method="wilson")
        assert bounds[name] == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_all_right_is_no_certainty():
    outputs, _ = classified(20)
    values, bounds = measure(outputs, examples(outputs["probabilities"].argmax(1)), 0.0, seed=0)

    assert values["accuracy"] == values["familiar"] == 1
    assert bounds["accuracy"] == pytest.approx((0.8389, 1), abs=1e-3)


def test_the_calibration_error_of_calibrated_answers_is_inside_its_interval():
    """All their resamples look less calibrated than they are."""
    outputs, targets = classified(600, seed=1, sharpness=3)
    values, bounds = measure(outputs, examples(targets), 0.1, seed=0)

    assert 0 < bounds["ece"][0] < values["ece"] < bounds["ece"][1] < 0.06


def test_the_interval_of_a_mean_is_two_standard_errors_on_either_side():
    outputs, prices = priced(300)
    error = 1.96 * np.abs(outputs["value"] - prices).std() / np.sqrt(300)

    values, bounds = measure(outputs, examples(prices), 0.1, seed=0)

    low, high = bounds["mae"]
    # A hundred resamples give the ends of an interval to a fifth; one of 80 % would be a third shorter.
    assert values["mae"] - low == pytest.approx(error, rel=0.25)
    assert high - values["mae"] == pytest.approx(error, rel=0.25)


def test_with_groups_of_copies_the_interval_is_that_of_so_many_pictures():
    """Sixty pictures five times over tell no more than sixty pictures."""
    outputs, prices = priced(300, copies=5)
    groups = np.repeat(np.arange(100, 160), 5)
    once = {name: rows[::5] for name, rows in outputs.items()}

    _, apart = measure(outputs, examples(prices), 0.1, seed=0)
    _, together = measure(outputs, examples(prices, groups), 0.1, seed=0)
    _, alone = measure(once, examples(prices[::5]), 0.1, seed=0)

    for name in ("mae", "mape", "rmse"):
        assert np.ptp(together[name]) > 1.5 * np.ptp(apart[name])
        assert together[name] == pytest.approx(alone[name], rel=1e-6)


def test_a_class_that_no_resample_must_have_takes_nothing_from_the_area_under_the_curve():
    """All pictures of the third class are of one group, which every third resample lacks."""
    outputs, _ = classified(60)
    classes = outputs["probabilities"].argmax(1)
    groups = np.where(classes == 2, 1000, np.arange(60))

    values, bounds = measure(outputs, examples(classes, groups), 0.1, seed=0)
    own = roc_auc_score(classes, outputs["probabilities"], multi_class="ovr")

    assert values["roc_auc"] == pytest.approx(own, abs=1e-6)
    assert bounds["roc_auc"][0] > 0.8
    lacking = classes != 2
    some = {name: rows[lacking] for name, rows in outputs.items()}
    without, _ = measure(some, examples(classes[lacking]), 0.1, seed=0)
    expected = [roc_auc_score(classes[lacking] == k, some["probabilities"][:, k]) for k in (0, 1)]
    assert without["roc_auc"] == pytest.approx(np.mean(expected), abs=1e-6)


def test_the_same_seed_gives_the_same_interval_and_another_one_another():
    outputs, targets = classified(60)
    first, again, other = (measure(outputs, examples(targets), 0.1, seed)[1] for seed in (0, 0, 1))

    assert first == again
    assert first["f1"] != other["f1"]


@given(groups=st.lists(st.integers(0, 6), min_size=1, max_size=25), seed=st.integers(0, 99))
@settings(max_examples=25)
def test_whole_groups_are_drawn_as_many_as_there_are(groups, seed):
    groups = np.array(groups)
    draws = resamples(examples(np.zeros(len(groups)), groups), seed)
    sizes = np.array([(groups == group).sum() for group in groups])

    assert len(draws) == RESAMPLES
    for draw in draws:
        times = np.bincount(draw, minlength=len(groups))
        for group in set(groups.tolist()):
            assert len(set(times[groups == group].tolist())) == 1
        assert (times / sizes).sum() == pytest.approx(len(set(groups.tolist())))


def test_every_picture_is_drawn_about_as_often():
    """The bound is five standard deviations of a count."""
    counts = np.bincount(np.concatenate(resamples(examples(np.zeros(20)), 0)), minlength=20)

    assert counts.sum() == 20 * RESAMPLES
    assert abs(counts / RESAMPLES - 1).max() < 0.5


def test_the_baseline_is_the_most_frequent_class_of_training():
    train, test = np.array([0, 1, 1, 2, 1]), np.array([0, 0, 0, 1])

    assert baseline(examples(train), examples(test), classes=True) == {
        "accuracy": accuracy_score(test, np.ones(4))
    }


def test_the_baseline_of_numbers_is_the_median_of_training():
    train, test = np.array([1.0, 10.0, 1000.0]), np.array([5.0, 20.0, 40.0])

    values = baseline(examples(train), examples(test), classes=False)

    assert values["mae"] == pytest.approx((5 + 10 + 30) / 3)
    assert values["median_ape"] == pytest.approx(0.75)
    assert values["mape"] == pytest.approx((1 + 0.5 + 0.75) / 3)
