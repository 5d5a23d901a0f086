"""The playground of lab neuron in a browser: mouse, touch, keyboard, light and dark."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from training.course.neurons.boundaries.gates import GATES, LECTURE_AND
from training.course.workbench import Workbench

pytestmark = pytest.mark.browser

DATA = {
    "gates": GATES,
    "lecture": LECTURE_AND,
    "learned": {"AND": [-8.5, 5.5, 5.5], "OR": [-3, 6.5, 6.5], "XOR": [0, 0, 0]},
    "best": 3,
    "tried": 68921,
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    link = Workbench(tmp_path_factory.mktemp("play")).save_playground("neuron.html", "play", "", DATA)
    return Path(link.path).as_uri()


@pytest.fixture(params=["light", "dark"])
def page(chromium: Browser, address: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The open page; afterwards no error in the console and no request to anywhere else."""
    context = chromium.new_context(
        viewport={"width": 1100, "height": 1000}, color_scheme=request.param, has_touch=True
    )
    page = context.new_page()
    errors: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    yield page
    context.close()
    assert errors == []
    assert requests == [address]


def weights(page: Page) -> tuple[float, float, float]:
    """(b, w1, w2) as the sliders show them."""
    b, w1, w2 = (float(page.locator(f"#{name}").input_value()) for name in ("b", "w1", "w2"))
    return b, w1, w2


def slide(page: Page, name: str, value: float) -> None:
    page.locator(f"#{name}").fill(str(value))


def pixels(page: Page, canvas: str) -> str:
    picture: str = page.locator(canvas).evaluate("canvas => canvas.toDataURL()")
    return picture


def test_the_lectures_weights_decide_and(page: Page) -> None:
    page.get_by_role("button", name="AND of the lectures").click()
    assert weights(page) == LECTURE_AND
    expect(page.get_by_role("status")).to_have_text("AND: 4 of 4 right.")
    expect(page.locator("tbody tr").nth(3)).to_contain_text("10.0")


def test_sliders_decide_or(page: Page) -> None:
    page.get_by_label("OR", exact=True).check()
    for name, value in (("b", -5), ("w1", 10), ("w2", 10)):
        slide(page, name, value)
    expect(page.get_by_role("status")).to_have_text("OR: 4 of 4 right.")


def test_xor_is_not_to_be_had(page: Page) -> None:
    page.get_by_label("XOR").check()
    page.get_by_role("button", name="AND of the lectures").click()
    for name, value in (("b", -5), ("w1", 10), ("w2", 10)):
        slide(page, name, value)
    expect(page.get_by_role("status")).to_contain_text("XOR: 3 of 4 right.")
    expect(page.get_by_role("status")).to_contain_text("68,921")
    for _ in range(30):
        page.get_by_role("button", name="One perceptron step").click()
        expect(page.get_by_role("status")).not_to_contain_text("4 of 4")


def test_the_perceptron_rule_finds_and(page: Page) -> None:
    for _ in range(40):
        page.get_by_role("button", name="One perceptron step").click()
    expect(page.get_by_role("status")).to_have_text("AND: 4 of 4 right.")


def test_dragging_the_line_moves_it_and_keeps_its_direction(page: Page) -> None:
    before = weights(page)
    box = page.locator("#plane").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.8 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.8 * box["height"], steps=4)
    page.mouse.up()
    after = weights(page)
    assert after[1:] == before[1:]
    # A tenth of the plane is 0.2 of an input.
    assert after[0] == pytest.approx(before[0] - 0.2 * before[1], abs=0.15)


def test_dragging_the_arrows_head_turns_the_weights(page: Page) -> None:
    for name, value in (("b", -10), ("w1", 10), ("w2", 10)):
        slide(page, name, value)
    box = page.locator("#plane").bounding_box()
    assert box is not None

    def place(x1: float, x2: float) -> tuple[float, float]:
        return box["x"] + (x1 + 0.5) / 2 * box["width"], box["y"] + (1.5 - x2) / 2 * box["height"]

    page.mouse.move(*place(0.7, 0.7))  # the line goes through (0.5, 0.5), the arrow is 0.02 for each weight
    page.mouse.down()
    page.mouse.move(*place(0.9, 0.5), steps=4)
    page.mouse.up()
    b, w1, w2 = weights(page)
    assert (w1, w2) == pytest.approx((20, 0), abs=0.5)
    assert b == pytest.approx(-10, abs=0.5)


def test_a_finger_turns_the_surface(page: Page) -> None:
    before, decided = pixels(page, "#surface"), weights(page)
    page.locator("#surface").evaluate(
        """canvas => {
          const box = canvas.getBoundingClientRect();
          canvas.setPointerCapture = () => {};  // made-up pointers cannot be captured
          for (const [type, x] of [["pointerdown", 0.3], ["pointermove", 0.6], ["pointerup", 0.6]]) {
            canvas.dispatchEvent(new PointerEvent(type, {pointerId: 5, pointerType: "touch", bubbles: true,
              clientX: box.left + x * box.width, clientY: box.top + 0.5 * box.height}));
          }
        }"""
    )
    assert pixels(page, "#surface") != before
    assert weights(page) == decided


def test_keys_move_and_turn_the_line(page: Page) -> None:
    b, w1, w2 = weights(page)
    page.locator("#plane").focus()
    page.keyboard.press("ArrowRight")
    assert weights(page)[0] == pytest.approx(b - 0.05 * w1, abs=0.11)
    page.keyboard.press("Shift+ArrowLeft")
    turned = weights(page)
    assert turned[1] < w1
    assert turned[2] > w2


@pytest.mark.parametrize("activation", ["step", "tanh", "ReLU"])
def test_each_activation_has_its_surface_and_the_same_decision(page: Page, activation: str) -> None:
    before, verdict = pixels(page, "#surface"), page.get_by_role("status").inner_text()
    page.get_by_label("Activation").select_option(activation)
    assert pixels(page, "#surface") != before
    expect(page.get_by_role("status")).to_have_text(verdict)


def test_it_fits_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
