"""One neuron: what it decides, the proof that XOR is not among it, and what the lab says of layers."""

import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.course.neurons.boundaries import gates, spiral
from training.course.neurons.boundaries.gates import ACTIVATIONS, GATES, POINTS, THRESHOLDS, sigmoid, step
from training.course.neurons.neuron import epochs_until_right, learned, run
from training.course.page import Link, Page
from training.course.workbench import Workbench
from training.data.splits import Splits

TABLES = list(product((0, 1), repeat=4))
WEIGHTS = st.tuples(*[st.floats(-50, 50)] * 3).map(np.array)


def test_the_lectures_weights_are_and() -> None:
    outputs = gates.neuron(np.array(gates.LECTURE_AND), POINTS, sigmoid)
    expected = [1 / (1 + math.exp(-z)) for z in (-30, -10, -10, 10)]
    np.testing.assert_allclose(outputs, expected, rtol=1e-3, atol=1e-12)
    assert gates.neuron(np.array(gates.LECTURE_AND), POINTS).tolist() == list(GATES["AND"])


@given(WEIGHTS)
def test_all_activations_decide_alike_and_none_decides_xor(weights: np.ndarray) -> None:
    z = gates.with_one(POINTS) @ weights
    decisions = [activation(z) > THRESHOLDS[name] for name, activation in ACTIVATIONS.items()]
    # Within a rounding error of the line, 1/2 + z/4 is 1/2.
    if np.all((z == 0) | (np.abs(z) > 1e-12)):
        assert all(np.array_equal(decision, z > 0) for decision in decisions)
    assert not any(np.array_equal(decision, np.array(GATES["XOR"], bool)) for decision in decisions)


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_a_table_has_separating_weights_or_a_contradiction(table: tuple[int, ...]) -> None:
    weights, shares = gates.separating_weights(table), gates.contradiction(table)
    assert (weights is None) == (table in ((0, 1, 1, 0), (1, 0, 0, 1)))
    if weights is None:
        assert shares is not None
        signs = 2 * np.array(table) - 1
        np.testing.assert_allclose((shares * signs) @ gates.with_one(POINTS), 0, atol=1e-9)
        assert shares.min() >= 0
        assert shares.sum() == pytest.approx(1)
    else:
        assert shares is None
        assert gates.neuron(weights, POINTS).tolist() == list(table)


def test_the_perceptron_ends_for_and_and_or_and_circles_for_xor() -> None:
    assert epochs_until_right("AND", learned("AND", step)) > 0
    assert epochs_until_right("OR", learned("OR", step)) > 0
    history = learned("XOR", step, epochs=1000)
    assert epochs_until_right("XOR", history) == -1
    assert len({tuple(weights) for weights in history}) < 20


def test_logistic_regression_finds_the_slope_of_the_cross_entropy() -> None:
    weights, targets = np.array([0.3, -0.7, 1.1]), np.array(GATES["AND"])
    after = gates.learn(POINTS, targets, sigmoid, rate=1e-4, epochs=1, batch=4, start=weights)[1]
    slope = [
        (
            gates.mean_cross_entropy(weights + 1e-6 * axis, POINTS, targets)
            - gates.mean_cross_entropy(weights - 1e-6 * axis, POINTS, targets)
        )
        / 2e-6
        for axis in np.eye(3)
    ]
    np.testing.assert_allclose((weights - after) / 1e-4, slope, rtol=1e-5)


def test_two_layers_by_hand_are_xor() -> None:
    assert np.abs(gates.xor_by_hand(POINTS) - GATES["XOR"]).max() < 1e-3


def test_the_arms_of_the_spiral_are_equal_and_within_the_picture() -> None:
    points, arms = spiral.spiral(50, np.random.default_rng(1))
    assert arms.bincount().tolist() == [50, 50, 50]
    assert points.norm(dim=1).max() <= 1.0001


@pytest.fixture(scope="module")
def page(mnist: Splits, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return run(Workbench(tmp_path_factory.mktemp("neuron"), data, small=True))


@pytest.mark.slow
def test_the_claim(page: Page) -> None:
    values = page.values
    assert page.holds
    assert values["separable_tables"] == 14
    assert values["xor_best_of_grid"] == 3
    assert values["xor_epochs"] == -1
    assert values["xor_logistic_loss"] == pytest.approx(math.log(2))


@pytest.mark.slow
def test_xor_needs_two_hidden_units_and_likes_more(page: Page) -> None:
    solved = [page.values[f"xor_solved_hidden_{hidden}"] for hidden in (1, 2, 4, 8)]
    assert solved[0] == 0
    assert 0.2 < solved[1] < 0.8
    assert solved[2] > 0.9
    assert solved[3] > 0.95


@pytest.mark.slow
def test_logistic_regression_is_steadier_than_the_perceptron(page: Page) -> None:
    values = page.values
    assert values["logistic_spread"] < values["perceptron_spread"] / 3
    assert values["logistic_mistakes"] < values["perceptron_mistakes"]
    assert values["digits_logistic_spread"] < values["digits_perceptron_spread"]
    assert values["digits_logistic"] > values["digits_perceptron"] > 0.8


@pytest.mark.slow
def test_the_spiral_wants_width_and_neither_large_steps_nor_large_decay(page: Page) -> None:
    values = page.values
    assert values["spiral_width_0"] < 0.7
    assert values["spiral_width_100"] > 0.95
    assert values["spiral_rate_10"] < 0.5
    assert values["spiral_dead"] > 0.5
    assert values["spiral_l2_0.1"] < 0.7 < values["spiral_l2_0.001"]


@pytest.mark.slow
def test_the_playground_has_the_weights_of_the_run(page: Page) -> None:
    (link,) = (block for block in page.blocks if isinstance(block, Link))
    text = link.path.read_text()
    assert '"lecture":[-30.0,20.0,20.0]' in text
    assert "/*DATA*/null" not in text
