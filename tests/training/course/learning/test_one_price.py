"""The claims of the lab `one-price`: a price is memorised, and that is not learning."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from training.course.learning import generalisation, one_price
from training.course.page import Page
from training.course.workbench import Workbench


@pytest.fixture(scope="module")
def page(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return one_price.run(Workbench(tmp_path_factory.mktemp("price") / "lab", data, small=True))


@pytest.mark.slow
def test_the_price_is_memorised(page: Page) -> None:
    assert page.values["first_error"] > 20
    assert page.values["best_error"] < 1
    assert page.holds


@pytest.mark.slow
def test_the_rule_written_out_is_torchs_at_every_step(page: Page) -> None:
    assert page.values["difference"] < one_price.ROUNDING


@pytest.mark.slow
def test_too_few_units_underfit_and_many_overfit(page: Page) -> None:
    values = page.values
    assert values["train_plain"] < 0.6 * values["train_small"]
    assert values["validation_plain"] > 1.5 * values["train_plain"]


@pytest.mark.slow
def test_augmentation_closes_the_gap(page: Page) -> None:
    assert page.values["gap_augmentation"] < 0.8 * page.values["gap_plain"]


def test_the_update_rule_is_torchs_sgd_on_a_small_network() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 3, 8, 8)
    by_hand = one_price.multilayer_perceptron(3, 8, 8)
    by_torch = copy.deepcopy(by_hand)
    sgd = torch.optim.SGD(by_torch.parameters(), lr=one_price.RATE)
    before = copy.deepcopy(by_hand)
    for _ in range(5):
        one_price.memorise(by_hand, x, 3.0, 1)
        one_price.memorise(by_torch, x, 3.0, 1, sgd)
        assert one_price.difference(by_hand, by_torch) < one_price.ROUNDING
    assert one_price.difference(by_hand, before) > 100 * one_price.ROUNDING


def test_the_photo_is_resized_and_its_centre_cut_out() -> None:
    picture = np.zeros((512, 1024, 3), np.uint8)
    picture[:, 512:] = 255
    x = one_price.preprocess(Image.fromarray(picture))
    assert x.shape == (1, 3, 192, 192)
    assert (x[..., :90] < 0).all() and (x[..., 102:] > 0).all()


def test_bias_variance_and_noise_add_up_to_the_error_on_new_points() -> None:
    fits = generalisation.bias_and_variance(400)
    for fit in fits.values():
        assert fit.measured_error == pytest.approx(fit.expected_error, rel=0.05)
    low, _, high = (fits[degree] for degree in generalisation.DEGREES)
    assert low.bias_squared > 10 * high.bias_squared
    assert high.variance > 5 * low.variance
    best = min(fits.values(), key=lambda fit: fit.expected_error).degree
    assert low.degree < best < high.degree


def test_early_stopping_is_at_the_lowest_validation_error() -> None:
    curves = generalisation.Curves([10, 20, 30], [3, 2, 1], [3.0, 2.0, 2.5], [3, 2, 2])
    assert curves.best == 1
    assert generalisation.gap(curves) == 1.5
