"""The computation graph: its derivatives against torch's, and what the lab says of them."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.course.neurons.autograd import Value, gradient, hessian, jacobian, topological_order
from training.course.neurons.derivatives import neuron_loss, product, two_weight_loss
from training.course.neurons.graph import layout, run
from training.course.page import Page
from training.course.workbench import Workbench
from training.data.splits import Splits

NUMBERS = st.floats(-2, 2)


@pytest.fixture(scope="module")
def page(mnist: Splits, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return run(Workbench(tmp_path_factory.mktemp("graph"), data, small=True))


def test_the_lectures_example() -> None:
    inputs = Value(-2.0), Value(5.0), Value(-4.0)
    f = product(*inputs)
    assert f.data == -12
    assert [derivative.data for derivative in gradient(f, inputs)] == [-4, -4, 3]


def expression(x, y, exp, log, sigmoid, relu):  # of Values or of tensors
    a = x * y + 0.5
    b = sigmoid(a - y) * x.tanh() + exp(-x)
    return log(b * b + 1.5) / (relu(a) + 2.0) + (1.0 - a) ** 3 + a * b


@given(NUMBERS, NUMBERS)
def test_first_and_second_derivatives_are_those_of_torch(x: float, y: float) -> None:
    ours = (Value(x), Value(y))
    result = expression(*ours, Value.exp, Value.log, Value.sigmoid, Value.relu)

    def theirs(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return expression(x, y, torch.exp, torch.log, torch.sigmoid, torch.relu)

    tensors = tuple(torch.tensor(value, dtype=torch.float64) for value in (x, y))
    assert result.data == pytest.approx(theirs(*tensors).item(), rel=1e-12)
    first = torch.autograd.functional.jacobian(theirs, tensors)
    assert jacobian([result], ours)[0] == pytest.approx([d.item() for d in first], rel=1e-9, abs=1e-9)
    second = torch.autograd.functional.hessian(theirs, tensors)
    expected = [[entry.item() for entry in row] for row in second]
    np.testing.assert_allclose(hessian(result, ours), expected, rtol=1e-8, atol=1e-8)


def test_a_value_used_twice_gets_the_sum_over_both_paths() -> None:
    x = Value(3.0)
    assert gradient(x * x + x, [x])[0].data == 7


def test_an_input_that_does_not_matter_has_gradient_0() -> None:
    x, y = Value(3.0), Value(1.0)
    assert gradient(x * 2, [y])[0].data == 0


def test_a_sum_deeper_than_the_stack() -> None:
    x = Value(1.0)
    total = Value(0.0)
    for _ in range(3000):
        total = total + x
    assert gradient(total, [x])[0].data == 3000


def test_the_layout_goes_from_left_to_right_and_nothing_overlaps() -> None:
    loss = neuron_loss([Value(w) for w in (-0.5, 1.5, -1.0)])
    places = layout(loss)
    assert len(set(places.values())) == len(places) == len(topological_order(loss))
    for value, (column, _) in places.items():
        assert all(places[parent][0] < column for parent in value.parents)


def test_the_hessian_is_the_difference_of_gradients() -> None:
    place, step = np.array([0.3, -0.7]), 1e-5

    def gradient_at(weights: np.ndarray) -> np.ndarray:
        values = [Value(float(w)) for w in weights]
        return np.array([d.data for d in gradient(two_weight_loss(*values), values)])

    values = [Value(float(w)) for w in place]
    columns = [
        (gradient_at(place + step * axis) - gradient_at(place - step * axis)) / (2 * step)
        for axis in np.eye(2)
    ]
    np.testing.assert_allclose(hessian(two_weight_loss(*values), values), columns, atol=1e-8)


def test_the_claim(page: Page) -> None:
    values = page.values
    assert page.holds
    assert values["served_parameters"] == 7850
    assert values["served_difference"] < 1e-12
    assert values["jacobian_error"] < 1e-14


def test_a_step_too_small_is_as_bad_as_one_too_large(page: Page) -> None:
    assert page.values["best_central_error"] < page.values["best_forward_error"] < 1e-7
    assert page.values["tiny_step_error"] > 1000 * page.values["best_central_error"]
    assert page.values["large_step_error"] > 1000 * page.values["best_central_error"]


def test_a_saturated_neuron_does_not_learn(page: Page) -> None:
    sigmoid = 1 / (1 + math.exp(-10))
    assert page.values["saturated_gradient"] == pytest.approx(2 * sigmoid * sigmoid * (1 - sigmoid))
    assert page.values["saturated_gradient"] < page.values["learning_gradient"] / 1000


def test_curvature_bounds_the_learning_rate(page: Page) -> None:
    values = page.values
    assert values["saddle_low"] < 0 < values["saddle_high"]
    assert 0 < values["minimum_low"] < values["minimum_high"]
    assert values["loss_ratio_below"] < 0.01
    assert values["loss_ratio_above"] > 100
