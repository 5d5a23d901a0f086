"""The lab "templates": a linear layer's answers are inner products with pictures."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.model import ZOO, open_model
from training.course.page import Page
from training.course.vision.linear import Templates, error, flat, looked_at, softmax
from training.course.vision.templates import run
from training.course.workbench import Workbench
from training.data.splits import DataError, Splits


@pytest.fixture(scope="module")
def page(mnist: Splits, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return run(Workbench(tmp_path_factory.mktemp("templates") / "lab", data, small=True))


@pytest.mark.slow
def test_the_claim_holds(page: Page) -> None:
    assert page.holds
    assert page.values["gap"] < 1e-4
    assert page.values["own_class_matches"] == 1


@pytest.mark.slow
def test_the_lectures_rule_learns_four_classes(page: Page) -> None:
    assert page.values["accuracy_four_before"] < 0.6
    assert page.values["accuracy_four"] > 0.9
    assert page.values["error_sum"] == pytest.approx(0)
    assert page.values["like_means_0"] < 0.3 < 0.7 < page.values["like_means_1000"]


@pytest.mark.slow
def test_training_makes_the_templates_that_are_served(page: Page) -> None:
    assert page.values["learned_like_served"] > 0.4
    assert page.values["accuracy_learned"] > 0.8


def test_products_of_template_and_picture_add_up_to_what_the_served_file_answers(mnist: Splits) -> None:
    templates = Templates.served()
    pictures = mnist.test.pixels[:50]
    by_hand = np.stack(
        [softmax(templates.products(x).sum(axis=1) + templates.offsets) for x in flat(pictures)]
    )

    served = open_model(ZOO / "digits-linear.onnx")(pictures)["probabilities"]

    np.testing.assert_allclose(by_hand, served, atol=1e-5)


@given(st.integers(0, 9), st.integers(0, 2**32 - 1))
@settings(max_examples=50)
def test_a_step_adds_the_picture_to_its_own_template_and_takes_it_from_others(own: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, x = rng.normal(size=(10, 784)), rng.random(784)

    e = error(rows, x, own)

    assert e[own] >= 0
    assert (np.delete(e, own) <= 0).all()
    assert e.sum() == pytest.approx(0, abs=1e-9)
    after = softmax((rows + 1e-4 * np.outer(e, x)) @ x)
    assert after[own] >= softmax(rows @ x)[own]


def test_a_users_digit_is_looked_at_as_the_service_does(mnist: Splits, tmp_path: Path) -> None:
    digit = mnist.test.pixels[3, :, :, 0]
    path = tmp_path / "mine.png"
    Image.fromarray(255 - digit).save(path)

    x, name = looked_at(Workbench(tmp_path, picture=path), mnist.test)

    assert name == "mine.png"
    np.testing.assert_array_equal(x, digit.ravel() / 255)


def test_a_file_that_is_no_picture_is_named(mnist: Splits, tmp_path: Path) -> None:
    path = tmp_path / "mine.png"
    path.write_text("no picture")
    with pytest.raises(DataError, match=r"mine\.png"):
        looked_at(Workbench(tmp_path, picture=path), mnist.test)
