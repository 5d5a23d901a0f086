from pathlib import Path

import numpy as np
import pytest
import torch

from training.course.page import Page, Table
from training.course.transfer import descriptors
from training.course.transfer.car_descriptors import describe_cars, ridge
from training.course.transfer.features import linear_head, nearest
from training.course.workbench import Workbench
from training.data.mnist import FASHION_LABELS
from training.data.synthetic.cars import draw, draw_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Page:
    return descriptors.run(Workbench(tmp_path_factory.mktemp("descriptors"), data, small=True))


def test_frozen_features_beat_training_from_scratch_where_pictures_are_few(page: Page) -> None:
    assert page.values["head_100"] > page.values["scratch_100"] + 0.03
    assert page.values["head_100"] > 0.65
    assert page.holds


def test_descriptors_find_neighbours_of_the_same_class_more_often_than_pixels(page: Page) -> None:
    assert page.values["neighbour_100"] > page.values["pixels_100"]


def test_features_of_pictures_that_are_not_normalised_are_of_little_use(page: Page) -> None:
    assert page.values["forgotten"] < page.values["normalised"] - 0.05


def test_a_balanced_choice_has_as_many_of_each_class_and_draws_share_none() -> None:
    classes = torch.arange(300) % len(FASHION_LABELS)

    first, second = (descriptors.balanced(classes, 100, draw) for draw in (0, 1))

    assert classes[first].bincount().tolist() == [10] * 10
    assert not set(first.tolist()) & set(second.tolist())


def test_a_head_separates_what_a_plane_separates() -> None:
    features = torch.randn(200, 20, generator=torch.Generator().manual_seed(0))
    classes = (features[:, 0] > features[:, 1]).long()

    answers = linear_head(features, classes)(features).argmax(1)
    assert (answers == classes).float().mean() > 0.97


def test_the_nearest_of_known_pictures_are_themselves_whatever_their_brightness() -> None:
    pictures = torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(0)) + 0.1

    assert torch.equal(nearest(pictures * 0.5, pictures)[:, 0], torch.arange(30))


def test_ridge_is_the_solution_of_its_normal_equations() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(60, 5, generator=generator)
    targets = (features @ torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0]) + 7).double()

    answers = ridge(features, targets)(features)

    # A penalty shrinks every answer towards the mean, and no further.
    assert torch.corrcoef(torch.stack([answers, targets]))[0, 1] > 0.99
    assert answers.std() < targets.std()
    assert answers.mean() == pytest.approx(float(targets.mean()))


def test_photos_of_cars_are_compared_where_there_are_some(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    folder = tmp_path / "cars"
    folder.mkdir()
    lines = ["file,price,group"]
    for number in range(40):
        car = draw_model(rng)
        for photo in range(3):
            draw(car, rng).save(folder / f"{number}-{photo}.png")
            lines.append(f"{number}-{photo}.png,{car.price:.0f},maker|{number}")
    (folder / "prices.csv").write_text("\n".join(lines))

    blocks = describe_cars(Workbench(tmp_path / "lab", tmp_path), lambda pixels, side: pixels.mean((2, 3)))

    (table,) = (block for block in blocks if isinstance(block, Table))
    assert [row[0] for row in table.rows] == ["10", "100", "1,000"]
    assert all(0 < float(str(cell).rstrip("%")) < 500 for row in table.rows for cell in row[1:])
