"""What a price and its interval are worth, by hand."""

import numpy as np
import pytest

from training.data.splits import Examples
from training.evaluation.evaluate import regression


def test_coverage_of_all_of_groups_and_of_the_dearest():
    """Eight photos of a car whose price is in no interval, and one each of four cars that are."""
    truth = np.array([1.0] * 8 + [20.0, 30.0, 40.0, 50.0])
    value = np.array([2.0] * 8 + [22.0, 27.0, 44.0, 45.0])
    outputs = {"value": value, "low": value * 0.8, "high": value * 1.2}
    groups = np.array(["one"] * 8 + ["a", "b", "c", "d"])
    test = Examples(np.zeros((12, 1, 1, 3), np.uint8), truth, groups)

    found = regression(outputs, test)

    assert found["coverage"] == pytest.approx(4 / 12)
    assert found["coverage_by_group"] == pytest.approx(4 / 5)
    assert found["coverage_dearest"] == 1
    assert found["median_relative_width"] == pytest.approx(0.4)
    assert found["median_ape"] == pytest.approx(1)


def test_pictures_without_groups_count_one_by_one():
    truth = np.array([1.0, 10.0])
    outputs = {"value": truth, "low": np.array([0.5, 11.0]), "high": np.array([2.0, 12.0])}

    found = regression(outputs, Examples(np.zeros((2, 1, 1, 3), np.uint8), truth))

    assert found["coverage_by_group"] == found["coverage"] == 0.5
