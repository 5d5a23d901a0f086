"""The playground of the lab `learning-rate` in a browser: its paths are those of torch's optimisers."""

import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from training.course.learning import learning_rate, surfaces
from training.course.workbench import Workbench

pytestmark = pytest.mark.browser

INPUTS = torch.tensor([[1.2, 1.8], [1.0, 1.7], [1.6, 1.3], [1.7, 1.1], [1.5, 1.4]], dtype=torch.float64)
TARGETS = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0], dtype=torch.float64)
SURFACES = {
    "bowl": surfaces.bowl(),
    "valley": surfaces.valley(),
    "saddle": surfaces.saddle(),
    "neuron": surfaces.neuron(INPUTS, TARGETS),
}
RATES = dict.fromkeys(surfaces.OPTIMISERS, 0.03)


@pytest.fixture
def page(chromium: Browser, tmp_path: Path) -> Iterator[Page]:
    """The open playground; afterwards: no error in its console, nothing loaded from elsewhere."""
    data = learning_rate.playground(SURFACES, dict.fromkeys(SURFACES, RATES), INPUTS, TARGETS)
    bench = Workbench(tmp_path / "lab")
    address = bench.save_playground("learning_rate.html", "play", "play", data).path.as_uri()
    page = chromium.new_page(viewport={"width": 1000, "height": 900})
    errors: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    yield page
    page.close()
    assert errors == []
    assert [url for url in requests if url != address and not url.startswith("data:")] == []


def turn(page: Page, label: str, value: float) -> None:
    page.get_by_role("slider", name=label).evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input')); }", value
    )


def end(page: Page) -> tuple[float, ...]:
    """Steps, both weights and the loss that the page reports."""
    text = page.get_by_role("status").inner_text()
    return tuple(float(number) for number in re.findall(r"-?\d+\.?\d*", text)[:4])


@pytest.mark.parametrize("optimiser", surfaces.OPTIMISERS)
def test_paths_are_those_of_torch(page: Page, optimiser: str) -> None:
    for name, surface in SURFACES.items():
        page.get_by_role("combobox", name="Surface").select_option(name)
        page.get_by_role("combobox", name="Optimiser").select_option(optimiser)
        turn(page, "Steps", 40)
        turn(page, "Learning rate", math.log10(0.01))
        points = surfaces.path(surface, optimiser, 0.01, 40)
        loss = surfaces.losses(surface, points)[-1] + surface.lowest
        assert end(page) == pytest.approx((40, *points[-1], loss), abs=2e-3)


def test_too_large_a_rate_leaves_for_infinity(page: Page) -> None:
    page.get_by_role("combobox", name="Surface").select_option("bowl")
    page.get_by_role("combobox", name="Optimiser").select_option("gradient descent")
    turn(page, "Steps", 200)
    turn(page, "Learning rate", math.log10(0.08))
    expect(page.get_by_role("status")).to_contain_text("After 200 steps")
    turn(page, "Learning rate", math.log10(0.2))
    expect(page.get_by_role("status")).to_contain_text("too large")


def test_the_start_moves_with_mouse_and_keys(page: Page) -> None:
    page.get_by_role("combobox", name="Surface").select_option("bowl")
    turn(page, "Steps", 0)
    start = end(page)[1:3]
    assert start == pytest.approx(SURFACES["bowl"].start, abs=1e-3)
    page.locator("#surface").press("ArrowRight")
    left, right, *_ = SURFACES["bowl"].window
    assert end(page)[1] == pytest.approx(start[0] + (right - left) / 50, abs=1e-3)
    page.locator("#surface").click()
    box = SURFACES["bowl"].window
    assert end(page)[1:3] == pytest.approx(((box[0] + box[1]) / 2, (box[2] + box[3]) / 2), abs=0.02)
    page.get_by_role("button", name="The start of the lab").click()
    assert end(page)[1:3] == pytest.approx(start, abs=1e-3)


def test_play_walks_to_the_last_step(page: Page) -> None:
    turn(page, "Steps", 190)
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("status")).to_contain_text("After 200 steps")
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_only_optimisers_with_momentum_take_it(page: Page) -> None:
    page.get_by_role("combobox", name="Optimiser").select_option("RMSprop")
    expect(page.get_by_role("slider", name="Momentum")).to_be_disabled()
    page.get_by_role("combobox", name="Optimiser").select_option("Adam")
    expect(page.get_by_role("slider", name="Momentum")).to_be_enabled()
