"""The page in a browser: Chromium on a running service."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    FilePayload,
    Locator,
    Page,
    Route,
    expect,
)

from loadtests.server import serving
from models.model import ZOO

pytestmark = pytest.mark.browser

SEVEN = [(0.28, 0.27), (0.5, 0.26), (0.7, 0.25), (0.6, 0.45), (0.5, 0.65), (0.44, 0.8)]
"""A pen's way, in shares of the pad."""

DROP = """([name, type, text]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([text], name, {type}));
  document.body.dispatchEvent(new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true}));
}"""

PASTE = """(bytes) => {
  const clipboardData = new DataTransfer();
  clipboardData.items.add(new File([new Uint8Array(bytes)], "image.png", {type: "image/png"}));
  document.dispatchEvent(new ClipboardEvent("paste", {clipboardData, bubbles: true}));
}"""


@pytest.fixture
def page(chromium: Browser, server: str) -> Iterator[Page]:
    """The open page. Afterwards: no error in the console and no request to anywhere else.

    The browser itself notes every call that was answered 4xx; those notes are not errors of the page.
    """
    page = chromium.new_page(viewport={"width": 1200, "height": 800})
    errors: list[str] = []
    requests: list[str] = []

    def note(message: ConsoleMessage) -> None:
        if message.type == "error" and not message.location["url"].endswith(("/classify", "/price")):
            errors.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(server)
    expect(page.get_by_label("Answered by")).not_to_be_empty()
    yield page
    page.close()
    assert errors == []
    assert [url for url in requests if not url.startswith((f"{server}/", f"blob:{server}/", "data:"))] == []


def headline(page: Page) -> Locator:
    return page.locator("#headline")


def bars(page: Page) -> Locator:
    return page.get_by_label("Probability of every class").get_by_role("listitem")


def choose(page: Page, data: bytes) -> None:
    file = FilePayload(name="picture.png", mimeType="image/png", buffer=data)
    page.get_by_label("Choose a picture").set_input_files(file)


def draw(page: Page, way: list[tuple[float, float]]) -> None:
    box = page.locator("#pad").bounding_box()
    assert box is not None
    points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in way]
    page.mouse.move(*points[0])
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*point, steps=4)
    page.mouse.up()


def test_a_chosen_picture_is_shown_and_classified(page: Page, digit_png: bytes) -> None:
    choose(page, digit_png)
    expect(headline(page)).to_have_text("7")
    expect(bars(page)).to_have_count(10)
    expect(bars(page).nth(7)).to_have_class("best")
    expect(page.get_by_role("status")).to_contain_text("probable")
    expect(page.locator("#picture")).to_be_visible()
    expect(page.locator("#timing")).to_contain_text("infer")
    expect(page.locator("#timing")).to_contain_text("request ")


def test_another_task_asks_about_the_same_picture(page: Page, car_png: bytes) -> None:
    choose(page, car_png)
    expect(bars(page)).to_have_count(10)
    page.get_by_text("How much?").click()
    expect(headline(page)).to_contain_text("$")
    expect(page.get_by_role("status")).to_contain_text("of true prices lie between")
    expect(page.locator("#low")).to_contain_text("$")
    expect(bars(page)).to_have_count(0)


def test_a_drawing_is_answered_after_every_stroke(page: Page) -> None:
    draw(page, SEVEN)
    expect(headline(page)).to_have_text("7")
    with page.expect_request("**/classify"):
        draw(page, [(0.4, 0.5), (0.65, 0.5)])
    expect(bars(page)).to_have_count(10)
    page.get_by_role("button", name="Clear").click()
    expect(page.get_by_text("Draw a digit")).to_be_visible()
    expect(headline(page)).to_be_empty()


def test_light_ink_in_the_dark_is_read_too(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    draw(page, SEVEN)
    expect(headline(page)).to_have_text("7")


def test_a_pasted_picture_is_answered(page: Page, digit_png: bytes) -> None:
    page.evaluate(PASTE, list(digit_png))
    expect(headline(page)).to_have_text("7")


def test_a_broken_picture_is_a_problem_and_the_next_one_is_answered(page: Page, digit_png: bytes) -> None:
    choose(page, digit_png[: len(digit_png) // 2])
    expect(headline(page)).to_have_text("Broken picture")
    expect(page.get_by_role("status")).to_contain_text("will not decode")
    expect(page.locator("#timing")).to_contain_text("request ")
    expect(page.get_by_role("button", name="Try again")).to_be_hidden()
    choose(page, digit_png)
    expect(headline(page)).to_have_text("7")


def test_what_is_no_picture_is_refused_before_it_is_sent(page: Page) -> None:
    calls: list[str] = []
    page.on("request", lambda request: calls.append(request.url))
    page.evaluate(DROP, ["notes.txt", "text/plain", "milk, bread"])
    expect(headline(page)).to_have_text("Not a picture")
    expect(page.get_by_role("status")).to_contain_text("notes.txt is text/plain")
    assert calls == []


def test_an_unfamiliar_picture_is_called_so(page: Page, digit_png: bytes) -> None:
    def call_it_unfamiliar(route: Route) -> None:
        # Which pictures are unfamiliar is the models' business; how that is said is the page's.
        answer = route.fetch()
        route.fulfill(response=answer, json={**answer.json(), "familiar": False})

    page.route("**/classify", call_it_unfamiliar)
    choose(page, digit_png)
    expect(page.get_by_role("status")).to_contain_text("take the answer as a guess")
    expect(bars(page)).to_have_count(10)


def test_the_last_picture_wins(page: Page, digit_png: bytes, car_png: bytes) -> None:
    held: list[Route] = []
    aborted: list[str] = []
    page.on("requestfailed", lambda request: aborted.append(request.url))
    page.route("**/classify", lambda route: held.append(route), times=1)
    with page.expect_request("**/classify"):
        choose(page, car_png)
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "true")
    choose(page, digit_png)
    expect(headline(page)).to_have_text("7")
    expect(page.locator("#answer")).to_have_attribute("aria-busy", "false")
    assert len(held) == 1
    assert [url.rsplit("/", 1)[1] for url in aborted] == ["classify"]


def test_a_service_that_is_away_can_be_asked_again(page: Page, digit_png: bytes) -> None:
    page.context.set_offline(True)
    choose(page, digit_png)
    expect(headline(page)).to_have_text("No answer")
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(headline(page)).to_have_text("7")


def test_the_keyboard_reaches_everything(page: Page) -> None:
    reached = []
    for _ in range(3):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.value"))
    assert reached == ["classification", "file", "model"]
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="every call of this service")).to_be_focused()
    page.get_by_label("What is it?").press("ArrowRight")
    expect(page.get_by_label("How much?")).to_be_checked()
    expect(page.get_by_text("Give a picture")).to_be_visible()


def test_the_calls_are_a_click_away(page: Page, server: str) -> None:
    page.get_by_role("link", name="every call of this service").click()
    expect(page).to_have_url(f"{server}/docs")
    expect(page.get_by_role("heading", name="POST /classify", exact=True)).to_be_visible()


@pytest.mark.parametrize("width", [320, 390, 800])
def test_it_fits_a_narrow_screen(page: Page, digit_png: bytes, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    choose(page, digit_png)
    expect(bars(page)).to_have_count(10)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    expect(headline(page)).to_be_in_viewport()


def test_a_locked_service_asks_for_its_key(chromium: Browser, digit_png: bytes, tmp_path: Path) -> None:
    key = "correct-horse-battery-staple"
    with serving(ZOO, tmp_path / "log", api_keys=key) as url:
        page = chromium.new_page(viewport={"width": 1200, "height": 800})
        page.goto(url)
        expect(headline(page)).to_have_text("Unauthorised")
        page.get_by_label("API key").fill("not-the-key-of-this-place")
        page.get_by_role("button", name="Use it").click()
        expect(headline(page)).to_have_text("Unauthorised")
        page.get_by_label("API key").fill(key)
        page.get_by_label("API key").press("Enter")
        expect(page.get_by_label("Answered by")).not_to_be_empty()
        expect(page.get_by_label("API key")).to_be_hidden()
        choose(page, digit_png)
        expect(headline(page)).to_have_text("7")
        page.close()
