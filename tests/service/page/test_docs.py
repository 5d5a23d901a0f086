"""The page of the calls in a browser."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from loadtests.server import serving
from tests.support.http_calls import CLIENT, PNG

pytestmark = pytest.mark.browser

METHODS = ("get", "post")

OFF = ("send_feedback", "load_model", "unload_model")
"""Unless settings switch them on."""


@pytest.fixture
def document(server: str) -> Any:
    return CLIENT.get(f"{server}/docs.json").json()


@pytest.fixture
def page(chromium: Browser, server: str) -> Iterator[Page]:
    """The open page. Afterwards: no error in the console, and no request to anywhere else."""
    page = chromium.new_page(viewport={"width": 1200, "height": 800})
    errors: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"{server}/docs")
    expect(page.get_by_role("navigation")).to_be_visible()
    yield page
    page.close()
    assert errors == []
    assert [url for url in requests if not url.startswith((f"{server}/", "data:"))] == []


def open_all(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach((call) => (call.open = true))")


def curl_lines(part: Page | Locator) -> list[str]:
    return part.locator("pre.wrapped").all_text_contents()


def test_every_call_is_shown_with_all_that_is_known_of_it(page: Page, document: Any) -> None:
    open_all(page)
    for path, item in document["paths"].items():
        for method in METHODS:
            if operation := item.get(method):
                call = page.locator(f"#{operation['operationId']}")
                expect(call.get_by_role("heading", level=3)).to_have_text(f"{method.upper()} {path}")
                expect(call).to_contain_text(operation["summary"])
                expect(call.get_by_text("Errors", exact=True)).to_be_visible()
                statuses = set(call.locator(".errors tbody th").all_text_contents())
                assert statuses == {status for status in operation["responses"] if status >= "4"}
                contents = operation.get("requestBody", {}).get("content", {})
                assert all(content_type in call.inner_text() for content_type in contents)


def test_fields_limits_and_errors_are_told(page: Page) -> None:
    page.get_by_role("link", name="POST /classify/batch").click()
    call = page.locator("#classify_batch")
    expect(call).to_have_js_property("open", True)
    expect(call).to_contain_text("From 1 to 256 pictures, together at most 256 MiB")
    expect(call).to_contain_text("1 to 256 of them")
    expect(call.get_by_role("row", name="answers[].label")).to_be_visible()
    expect(call.get_by_role("row", name="429")).to_contain_text("One client may send")


def test_every_curl_line_runs(page: Page, server: str, document: Any, tmp_path: Path) -> None:
    """Against the server that shows it; what is switched off there says so."""
    for name in ("picture.jpg", "one.jpg", "two.jpg"):
        (tmp_path / name).write_bytes(PNG)
    open_all(page)
    operations = [item[method] for item in document["paths"].values() for method in METHODS if method in item]
    models = CLIENT.get(f"{server}/models").json()["models"]
    version = next(model["version"] for model in models if model["name"] == "digits-cnn")
    price_version = next(model["version"] for model in models if model["name"] == "cars-transfer")

    for operation in operations:
        lines = curl_lines(page.locator(f"#{operation['operationId']}"))
        assert lines
        # A protocol that describes nothing has no example to send.
        is_described = operation["tags"] != ["Other protocols"]
        is_off = operation["operationId"] in OFF
        for line in lines if is_described else []:
            # The one word that is a reader's to fill in.
            line = line.replace("VERSION", price_version if "cars-transfer" in line else version)
            command = f"{line} -s -o /dev/null -w '%{{http_code}}'"
            done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)
            assert done.stdout in (("404", "403") if is_off else ("200", "202")), line


def test_an_address_names_a_call(page: Page, server: str) -> None:
    page.goto(f"{server}/docs#price")
    page.reload()
    expect(page.locator("#price")).to_have_js_property("open", True)
    expect(page.locator("#price summary")).to_be_focused()
    expect(page.locator("#price summary")).to_be_in_viewport()
    expect(page.locator("#classify")).to_have_js_property("open", False)


def test_the_keyboard_is_enough(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the calls")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator("#classify summary")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("region", name="curl 1 of POST /classify", exact=True)).to_be_focused()
    expect(page).to_have_url(re.compile("#classify$"))


def test_a_line_is_copied(page: Page, server: str) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=server)
    page.get_by_role("link", name="GET /models", exact=True).click()
    page.get_by_role("button", name="Copy: curl 1 of GET /models").click()
    expect(page.get_by_role("button", name="Copy: curl 1 of GET /models")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == f"curl {server}/models"


@pytest.mark.parametrize("width", [320, 390, 800])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_narrow_screen(page: Page, width: int, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 700})
    open_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (int(re.findall(r"\d+", background)[0]) < 128) == (scheme == "dark")


@pytest.mark.slow
def test_a_locked_service_asks_for_its_key(chromium: Browser, zoo: Path, tmp_path: Path) -> None:
    key = "correct-horse-battery-staple"
    with serving(zoo, tmp_path / "log", api_keys=key) as url:
        page = chromium.new_page()
        page.goto(f"{url}/docs")
        expect(page.get_by_role("status")).to_contain_text("This service asks for a key")
        page.get_by_label("API key").fill(key)
        page.get_by_label("API key").press("Enter")
        expect(page.locator("#classify")).to_be_visible()
        expect(page.get_by_label("API key")).to_be_hidden()
        open_all(page)
        assert 'curl -H "Authorization: Bearer $KEY" ' in curl_lines(page)[0]
        page.close()
