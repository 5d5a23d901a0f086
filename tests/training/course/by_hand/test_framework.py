"""The lab `numpy` on few pictures: its claim, figure by figure."""

import numpy as np
import pytest
from rich.console import Console

from training.course.by_hand import framework, runs
from training.course.workbench import Workbench
from training.networks.from_scratch import activations

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(mnist, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab") / "numpy"
    return framework.run(Workbench(folder, data, small=True, console=Console(quiet=True)))


def test_every_gradient_is_that_of_central_differences(page):
    assert page.values["largest_error"] < 1e-6


def test_a_wrong_derivative_is_found(monkeypatch):
    """What the page proposes to try."""
    monkeypatch.setattr(activations.Sigmoid, "input_gradient", lambda self, gradient: gradient * self._y)

    errors = runs.gradient_errors(np.random.default_rng(0))
    assert {name for name, error in errors.items() if error > 1e-6} == {"sigmoid"}


def test_served_networks_are_as_good_as_their_siblings(page):
    assert page.values["gap"] <= 0.003


def test_the_rule_and_the_cnn_learn(page):
    assert page.values["rule_accuracy"] > 0.8
    assert page.values["cnn_accuracy"] > page.values["rule_accuracy"]
    assert page.holds


def test_every_optimiser_learns(page):
    losses = [value for name, value in page.values.items() if name.startswith("last_loss")]

    assert len(losses) == 5
    assert max(losses) < 0.5 * np.log(10)


def test_pixels_moved_along_their_gradient_fool_the_cnn(page):
    assert page.values["fooled_accuracy"] < page.values["cnn_accuracy"] - 0.2
