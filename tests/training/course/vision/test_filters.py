"""The lab "filters": edges fail, convolutions move with the picture, max pooling moves less."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.course.page import Page
from training.course.vision import edges, units
from training.course.vision.filters import NETWORK, equivariance_error, moved, pooled_changes, run
from training.course.vision.served import Served
from training.course.workbench import Workbench
from training.data.splits import Splits


@pytest.fixture(scope="module")
def served() -> Served:
    return Served(NETWORK)


@pytest.fixture(scope="module")
def digits_64(mnist: Splits) -> torch.Tensor:
    return torch.from_numpy(mnist.test.pixels[:64, :, :, 0]).double()[:, None]


@pytest.fixture(scope="module")
def page(mnist: Splits, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return run(Workbench(tmp_path_factory.mktemp("filters") / "lab", data, small=True))


@pytest.mark.slow
def test_the_claim_holds(page: Page) -> None:
    assert page.holds
    assert page.values["cnn_moved"] > page.values["linear_moved"] + 0.2


@pytest.mark.slow
def test_hand_made_edges_draw_a_car_in_plain_light_only(page: Page) -> None:
    plain = page.values["f1_plain light"]
    assert plain > 0.7
    for light in ("camouflage", "over-exposure", "under-exposure", "hard light"):
        assert page.values[f"f1_{light}"] < plain - 0.2
    # Where contrast itself is gone, thresholds chosen with the answer at hand do not bring it back.
    for light in ("camouflage", "over-exposure"):
        assert page.values[f"tuned_{light}"] < page.values["tuned_plain light"] - 0.2


@pytest.mark.slow
def test_later_units_are_choosier(page: Page) -> None:
    assert page.values["purity_last"] > page.values["purity_first"] + 0.15


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_max_pooling_moves_less_under_a_shift_than_the_convolution(
    served: Served, digits_64: torch.Tensor, columns: int
) -> None:
    changes = pooled_changes(served.convolutions[0], digits_64, columns)

    assert changes[2] < 0.95 * changes[1]
    assert list(changes.values()) == sorted(changes.values(), reverse=True)
    assert changes[28] < 0.05


@pytest.mark.parametrize("columns", [1, 2, 3])
def test_a_convolution_is_equivariant(served: Served, digits_64: torch.Tensor, columns: int) -> None:
    assert equivariance_error(served.convolutions[0], digits_64, columns) < 1e-9


def test_a_stride_of_two_is_equivariant_to_even_shifts_only(served: Served, digits_64: torch.Tensor) -> None:
    second = served.convolutions[1]
    maps = digits_64.repeat(1, second.weight.shape[1], 1, 1)

    assert equivariance_error(second, maps, 2) < 1e-9
    assert equivariance_error(second, maps, 1) > 0.1


def test_moving_pushes_out_to_the_right_and_brings_in_black() -> None:
    assert moved(torch.tensor([[[1.0, 2.0, 3.0]]]), 1).tolist() == [[[0.0, 1.0, 2.0]]]


def test_a_patch_is_all_that_a_value_depends_on(served: Served, mnist: Splits) -> None:
    layer = served.convolutions[3]
    rng = np.random.default_rng(0)
    place = np.array([7, 6])
    picture = mnist.test.pixels[0]
    outside = rng.integers(0, 256, picture.shape, dtype=np.uint8)
    rows, columns = (
        slice(max(layer.step * n - layer.field // 2, 0), layer.step * n + layer.field // 2 + 1) for n in place
    )
    outside[rows, columns] = picture[rows, columns]

    before, after = served.run(np.stack([picture, outside]), [layer.output])[0][:, :, 7, 6]
    np.testing.assert_allclose(before, after, rtol=1e-4, atol=1e-4)
    cut = units.patch(picture, layer, place)
    assert cut.shape == (layer.field, layer.field)
    np.testing.assert_array_equal(cut[: cut.shape[0]][:, : cut.shape[1]], picture[rows, columns, 0])


@given(st.floats(0, 2 * np.pi), st.floats(0.1, 10))
@settings(max_examples=50)
def test_edges_in_any_direction_are_edges_and_blurs_are_not(angle: float, size: float) -> None:
    edge = size * (np.cos(angle) * units.RAMPS[0] + np.sin(angle) * units.RAMPS[1]).reshape(1, 1, 3, 3)

    assert units.edge_shares(edge) == pytest.approx(1)
    assert units.edge_shares(np.ones((1, 1, 3, 3))) == pytest.approx(0)


def test_the_derivative_of_a_gaussian_finds_the_slope_of_a_ramp() -> None:
    ramp = np.tile(3 * np.arange(40, dtype=np.uint8), (20, 1))
    slope = edges.correlate(ramp, edges.derivative_of_gaussian())

    assert slope[10, 20] == pytest.approx(3, rel=0.02)
    assert edges.correlate(ramp, edges.derivative_of_gaussian().T)[10, 20] == pytest.approx(0, abs=1e-9)


def test_f1_is_one_for_the_drawings_own_lines_and_none_without_edges() -> None:
    scene = edges.scenes(0)["plain light"]

    assert edges.f1(scene.lines | scene.outline, scene) == pytest.approx(1, abs=0.01)
    assert edges.f1(np.zeros_like(scene.lines), scene) == 0
