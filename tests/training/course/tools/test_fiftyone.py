"""The lab on FiftyOne: sorting by a prediction finds mistakes."""

import pytest
from PIL import Image

from training.course.page import Page, Picture, Table
from training.course.tools.fiftyone import first_look, run
from training.course.workbench import Workbench

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def page(mnist, data, tmp_path_factory) -> Page:
    return run(Workbench(tmp_path_factory.mktemp("lab") / "fiftyone", data, small=True))


def sample(confidence: float, correct: bool) -> dict[str, object]:
    return {"prediction": {"confidence": confidence}, "correct": correct}


def test_a_first_look_counts_the_mistakes_among_the_least_sure():
    sure = [sample(0.9, True)] * 17 + [sample(0.8, False)]
    found, rate = first_look([*sure, sample(0.3, False), sample(0.2, True)])

    assert (found, rate) == (0.5, 0.5)


def test_the_least_sure_tenth_holds_far_more_mistakes_than_any_tenth(page):
    assert page.holds
    assert page.values["mistakes"] >= 20
    assert page.values["found"] > 0.35
    assert page.values["rate_first_tenth"] > 3 * page.values["rate"]


def test_the_tables_name_every_field_of_both_kinds(page):
    classes, prices = ({row[0] for row in block.rows} for block in page.blocks if isinstance(block, Table))

    both = {"`ground_truth`", "`prediction`", "`familiar`", "`familiarity`"}
    assert both | {"`correct`", "`error`"} <= classes
    assert both | {"`low`", "`high`", "`absolute_error`", "`relative_error`", "`group`"} <= prices


def test_the_pictures_fit_the_page(page):
    pictures = [block for block in page.blocks if isinstance(block, Picture)]

    assert [picture.path.stem for picture in pictures] == ["worst", "prices"]
    for picture in pictures:
        with Image.open(picture.path) as shown:
            assert shown.width == 960
        assert picture.path.stat().st_size < 200_000
