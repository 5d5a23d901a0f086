"""The claims of the lab `learning-rate`, and its optimisers against torch and theory."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.course.learning import learning_rate, surfaces
from training.course.page import Page
from training.course.workbench import Workbench
from training.data.splits import Splits


@pytest.fixture(scope="module")
def page(mnist: Splits, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return learning_rate.run(Workbench(tmp_path_factory.mktemp("rates") / "lab", data, small=True))


@pytest.mark.slow
def test_the_right_rate_lies_between_too_small_and_too_large(page: Page) -> None:
    values = page.values
    assert values["loss_right"] < 0.5 * values["loss_small"]
    assert not values["loss_large"] < 2 * values["loss_right"]
    assert page.holds


@pytest.mark.slow
def test_the_limit_in_the_bowl_is_two_by_the_curvature(page: Page) -> None:
    assert page.values["limit"] == pytest.approx(2 / 20, rel=0.01)


@given(steepness=st.floats(2, 100), fraction=st.floats(0.05, 0.95))
@settings(max_examples=20, deadline=None)
def test_descent_falls_below_the_limit_and_climbs_above(steepness: float, fraction: float) -> None:
    bowl = surfaces.bowl(steepness)
    limit = 2 / steepness
    below = surfaces.losses(bowl, surfaces.path(bowl, "gradient descent", fraction * limit, 30))
    above = surfaces.losses(bowl, surfaces.path(bowl, "gradient descent", (2 - fraction) * limit, 30))
    assert (np.diff(below) <= 1e-12).all()
    assert above[-1] > above[-5]


def test_momentum_beats_descent_in_the_bent_valley() -> None:
    valley = surfaces.valley()
    ends = {
        name: surfaces.losses(
            valley, surfaces.path(valley, name, surfaces.best_rate(valley, name, 100), 100)
        )[-1]
        for name in ("gradient descent", "momentum")
    }
    assert ends["momentum"] < 0.1 * ends["gradient descent"]


@pytest.mark.parametrize("surface", [surfaces.bowl(), surfaces.valley(), surfaces.saddle()])
def test_no_loss_is_below_the_lowest(surface: surfaces.Surface) -> None:
    *_, loss = surface.grid(200)
    assert loss.min() >= surface.lowest
    assert loss.min() == pytest.approx(surface.lowest, abs=0.02)


def test_the_neuron_has_its_minimum_where_the_gradient_is_zero() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(80, 2, generator=generator, dtype=torch.float64)
    targets = (inputs[:, 0] + torch.randn(80, generator=generator) > 0).double()
    neuron = surfaces.neuron(inputs, targets)
    points = surfaces.path(neuron, "momentum", 0.3, 400)
    assert surfaces.losses(neuron, points)[-1] == pytest.approx(0, abs=1e-6)


def test_smoothing_leaves_a_constant_alone() -> None:
    assert learning_rate.smoothed([2.0] * 5) == pytest.approx([2.0] * 5)


def test_a_path_that_leaves_for_infinity_ends() -> None:
    points = surfaces.path(surfaces.bowl(), "gradient descent", 1.0, 100)
    assert len(points) < 100
    assert all(math.isfinite(value) for value in points.ravel())
