"""The lab "our-cnn": with equal parameters, the CNN is the better one."""

from pathlib import Path

import numpy as np
import pytest
import torch

from training.course.page import Page
from training.course.vision.our_cnn import equal_mlp, multiplications, our_cnn, parameters, run
from training.course.workbench import Workbench
from training.data.splits import Examples, Splits
from training.data.synthetic.clutter import SIDE, cluttered


@pytest.fixture(scope="module")
def page(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return run(Workbench(tmp_path_factory.mktemp("our-cnn") / "lab", data, small=True))


@pytest.mark.slow
def test_the_cnn_beats_an_mlp_of_as_many_parameters(page: Page) -> None:
    assert page.holds
    assert page.values["accuracy_OurCNN"] > page.values["accuracy_MLP"] + 0.05
    assert page.values["accuracy_MLP"] > 0.2  # of 0.1 by chance: it learned too


def test_both_have_as_many_parameters() -> None:
    cnn, mlp = parameters(our_cnn()), parameters(equal_mlp())

    assert cnn == 18 * 76 + 32 * 163 + 120 * 1153 + 84 * 121 + 10 * 85
    assert mlp == pytest.approx(cnn, rel=1e-3)


def test_a_convolution_uses_its_weights_at_every_position() -> None:
    expected = 28**2 * 18 * 75 + 12**2 * 32 * 162 + 1152 * 120 + 120 * 84 + 84 * 10
    assert multiplications(our_cnn()) == expected


@pytest.mark.parametrize("make", [our_cnn, equal_mlp])
def test_ten_scores_for_each_picture(make) -> None:
    assert make()(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


@pytest.fixture
def garments() -> Splits:
    """Bright squares of 20 pixels in the middle of black."""
    pixels = np.zeros((50, 28, 28, 1), np.uint8)
    pixels[:, 4:24, 4:24] = 255
    part = Examples(pixels, np.arange(50) % 10)
    return Splits("squares", part, part, part, part)


def test_clutter_keeps_the_thing_whole_and_leaves_its_class(garments: Splits) -> None:
    splits = cluttered(garments)

    assert splits.train.pixels.shape == (50, SIDE, SIDE, 3)
    assert splits.train.pixels.dtype == np.uint8
    np.testing.assert_array_equal(splits.train.targets, garments.train.targets)
    # Wherever the square lies (4 to 8 pixels from the corner), it covers rows and columns 8 to 23.
    inside = splits.train.pixels[:, 8:24, 8:24].reshape(50, -1, 3)
    assert (inside == inside[:, :1]).all()


def test_clutter_differs_from_picture_to_picture_and_from_part_to_part_but_not_from_run_to_run(
    garments: Splits,
) -> None:
    splits = cluttered(garments)

    assert len(np.unique(splits.train.pixels.reshape(50, -1), axis=0)) == 50
    assert (splits.train.pixels != splits.test.pixels).any()
    np.testing.assert_array_equal(splits.train.pixels, cluttered(garments).train.pixels)
