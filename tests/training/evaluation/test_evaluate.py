"""Metrics of prices and their intervals, computed by hand."""

import numpy as np
import pytest

from training.data.splits import Examples
from training.evaluation.evaluate import regression


def test_coverage_by_picture_by_group_and_of_the_dearest():
    """Eight photos of a car whose price is in no interval, and one each of four cars that are."""
    truth = np.array([1.0] * 8 + [20.0, 30.0, 40.0, 50.0])
    value = np.array([2.0] * 8 + [22.0, 27.0, 44.0, 45.0])
    outputs = {"value": value, "low": value * 0.8, "high": value * 1.2}
    groups = np.array(["one"] * 8 + ["a", "b", "c", "d"])
    test = Examples(np.zeros((12, 1, 1, 3), np.uint8), truth, groups)

    values = regression(outputs, test)

    assert values["coverage"] == pytest.approx(4 / 12)
    assert values["coverage_by_group"] == pytest.approx(4 / 5)
    assert values["coverage_dearest"] == 1
    assert values["median_relative_width"] == pytest.approx(0.4)
    assert values["median_ape"] == pytest.approx(1)


def test_pictures_without_groups_count_the_same():
    truth = np.array([1.0, 10.0])
    outputs = {"value": truth, "low": np.array([0.5, 11.0]), "high": np.array([2.0, 12.0])}

    values = regression(outputs, Examples(np.zeros((2, 1, 1, 3), np.uint8), truth))

    assert values["coverage_by_group"] == values["coverage"] == 0.5
