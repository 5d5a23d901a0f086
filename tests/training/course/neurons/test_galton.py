import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.course.neurons import galton
from training.course.neurons.heights import CHILDREN_IN, PARENTS_IN, TABLE, heights
from training.course.page import Page
from training.course.workbench import Workbench


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    return galton.run(Workbench(tmp_path_factory.mktemp("galton"), small=True))


def test_the_table_has_the_published_totals() -> None:
    assert TABLE.shape == (len(PARENTS_IN), len(CHILDREN_IN))
    assert TABLE.sum(1).tolist() == [4, 19, 43, 68, 183, 219, 211, 78, 66, 23, 14]
    assert TABLE.sum(0).tolist() == [5, 7, 32, 59, 48, 117, 138, 120, 167, 99, 64, 41, 17, 14]
    assert len(heights()[0]) == len(heights()[1]) == 928


def test_the_table_has_the_published_medians() -> None:
    # The table's last column, for parents of 72.5 to 64.5; Galton interpolated by eye, and rounded.
    published = [72.2, 69.9, 69.5, 68.9, 68.2, 67.6, 67.2, 66.7, 65.8]
    edges = np.array([60.7, *np.arange(61.7, 74), 74.7])

    for counts, median in zip(TABLE[1:-1], published, strict=True):
        reached = np.concatenate([[0], np.cumsum(counts)]) / counts.sum()

        assert np.interp(0.5, reached, edges) == pytest.approx(median, abs=0.35)


def test_gradient_descent_finds_the_least_squares_line(page: Page) -> None:
    x, y = heights()
    slope, intercept = np.polyfit(x, y, 1)

    assert page.values["exact"] == pytest.approx(slope, rel=1e-9)
    assert page.values["intercept"] == pytest.approx(intercept, rel=1e-9)
    assert page.values["difference"] < 1e-6
    assert page.holds


def test_children_regress_to_the_mean_and_parents_too(page: Page) -> None:
    assert page.values["exact"] == pytest.approx(0.6463, abs=1e-4)
    assert abs(page.values["exact"] - galton.GALTONS_SLOPE) < 0.03
    assert page.values["back"] == pytest.approx(1 / 3, abs=0.02)
    x, y = heights()
    assert page.values["correlation"] == pytest.approx(np.corrcoef(x, y)[0, 1])


def test_heights_that_are_not_standardised_do_not_learn_the_slope(page: Page) -> None:
    assert page.values["raw"] > 0.95
    assert page.values["condition_raw"] > 1e6
    assert page.values["condition"] == pytest.approx(1)


def test_a_graph_of_numbers_is_no_served_model(page: Page) -> None:
    assert page.values["refused"] == 1


@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=3, max_size=30))
def test_the_line_leaves_residuals_that_neither_the_mean_nor_x_explains(
    points: list[tuple[float, float]],
) -> None:
    x, y = np.array(points).T
    if x.std() < 0.1:
        return
    line = galton.least_squares(x, y)
    residuals = y - np.array([line(value) for value in x])

    assert abs(residuals.mean()) < 1e-6
    assert abs((residuals * x).mean()) < 1e-6
