from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from training.course.learning import questions
from training.course.learning.review.vanishing import DEPTHS, deep_network, first_gradient
from training.course.page import Page
from training.course.workbench import Workbench
from training.data.splits import Splits

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(mnist: Splits, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return questions.run(Workbench(tmp_path_factory.mktemp("questions"), data, small=True))


def test_all_answers_hold(page: Page) -> None:
    assert page.holds, page.verdict


def test_sigmoid_gradients_vanish_sooner_in_fewer_bits_and_relu_ones_do_not(page: Page) -> None:
    values = page.values
    assert values["gone_sigmoid_8"] <= 6
    assert values["gone_sigmoid_8"] < values["gone_sigmoid_16"] <= 16 < values["gone_sigmoid_32"] <= 80
    assert min(values[f"gone_ReLU_{bits}"] for bits in (8, 16, 32)) > DEPTHS[-1]
    assert values["sigmoid_per_layer"] == pytest.approx(0.25, abs=0.05)
    assert values["scaled_zeros"] < 0.1 < 0.9 < values["unscaled_zeros"]
    assert values["relu_accuracy"] > 0.7 > 0.3 > values["sigmoid_accuracy"]


def test_rounding_to_32_bits_leaves_the_gradient_as_autograd_has_it() -> None:
    pictures = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    classes = torch.arange(8)

    exact, half = (first_gradient(3, "ReLU", bits, pictures, classes) for bits in ("32 bits", "16 bits"))
    network = deep_network(3, "ReLU")
    (expected,) = torch.autograd.grad(cross_entropy(network(pictures), classes), [network[1].weight])

    assert torch.equal(exact, expected)
    assert torch.equal(half, half.half().float())
    assert 0 < (half - exact).norm() < 0.01 * exact.norm()


def test_zero_grad_keeps_the_loss_falling_and_backward_adds(page: Page) -> None:
    assert page.values["loss_without_zero_grad"] > 1.3 * page.values["loss_with_zero_grad"]
    assert page.values["accumulated_difference"] < 1e-5


def test_augmentation_is_a_regulariser(page: Page) -> None:
    assert page.values["gap_augmented"] < page.values["gap_plain"] - 0.02
    assert page.values["test_augmented"] > page.values["test_plain"] + 0.01
    assert page.values["test_mirrored_half"] > page.values["test_mirrored"] + 0.2


def test_loss_and_accuracy_rise_together(page: Page) -> None:
    assert page.values["last_loss"] > 1.15 * page.values["lowest_loss"]
    assert page.values["last_accuracy"] > page.values["accuracy_at_lowest_loss"]
    assert page.values["cat_after"] == pytest.approx(4.605, abs=1e-3)


def test_order_matters_between_batches_and_not_within(page: Page) -> None:
    assert page.values["shuffled"] > page.values["sorted"] + 0.3
    assert page.values["order_difference"] < 1e-5


def test_accuracy_has_no_slope(page: Page) -> None:
    assert page.values["accuracy_moved"] == 0
    assert page.values["loss_moved"] == 100


def test_dropout_off_answers_better(page: Page) -> None:
    assert page.values["dropout_off"] > page.values["dropout_on"]
    assert page.values["logged_loss"] > page.values["train_loss"]


def test_gradients_reach_as_far_as_the_formula_says(page: Page) -> None:
    assert page.values["agree"] == 1
    assert page.values["receptive_field"] == 37
