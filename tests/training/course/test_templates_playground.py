"""The playground of templates in a browser: a digit drawn with the mouse or the keyboard is matched."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from training.course.vision.linear import FOUR, Templates
from training.course.vision.templates import playground
from training.course.workbench import Workbench
from training.data.splits import Splits

pytestmark = pytest.mark.browser

RING = [
    (0.5, 0.15),
    (0.3, 0.3),
    (0.27, 0.5),
    (0.3, 0.7),
    (0.5, 0.85),
    (0.7, 0.7),
    (0.73, 0.5),
    (0.7, 0.3),
    (0.5, 0.15),
]
"""A zero, in shares of the pad."""


@pytest.fixture(scope="module")
def playable(mnist: Splits, tmp_path_factory: pytest.TempPathFactory) -> Path:
    served = Templates.served()
    four = Templates(served.rows[:FOUR], served.offsets[:FOUR])
    return playground(Workbench(tmp_path_factory.mktemp("play")), served, four, mnist.test).path


@pytest.fixture
def page(chromium: Browser, playable: Path) -> Iterator[Page]:
    """The open page; afterwards it has reported no error and asked for nothing but itself."""
    page = chromium.new_page(viewport={"width": 1000, "height": 1000})
    errors: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(playable.as_uri())
    yield page
    page.close()
    assert errors == []
    assert requests == [playable.as_uri()]


def test_a_ring_drawn_with_the_mouse_matches_zero(page: Page) -> None:
    box = page.locator("#pad").bounding_box()
    assert box is not None
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in RING]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()

    expect(page.locator("#answer")).to_contain_text("Best match: 0")
    expect(page.locator("tr.best th")).to_have_text("0")

    page.get_by_label("four, without offsets").check()
    expect(page.locator("#matches tr")).to_have_count(FOUR)
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#answer")).to_have_text("Nothing drawn yet.")


def test_a_stroke_drawn_with_the_keyboard_matches_one(page: Page) -> None:
    page.locator("#pad").focus()
    page.keyboard.press("Space")
    for _ in range(22):
        page.keyboard.press("ArrowDown")

    expect(page.locator("#answer")).to_contain_text("Best match: 1")


def test_test_digits_score_what_the_inner_product_says(page: Page, mnist: Splits) -> None:
    page.get_by_label("Test digit").select_option("7")

    x = mnist.test.pixels[mnist.test.targets == 7][0].ravel() / 255
    expected = Templates.served().products(x).sum(axis=1)
    shown = [float(text) for text in page.locator("#matches td:nth-of-type(3)").all_inner_texts()]

    assert shown == pytest.approx(expected, abs=0.05)
    expect(page.locator("#answer")).to_contain_text("Best match: 7")
