"""Pages of another origin, in a real browser: they read answers and errors, where they are allowed to."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from loadtests.server import ServerError, serving
from models.model import ZOO
from tests.support.http_calls import CLIENT, PNG

ASK = """async ([url, bytes]) => {
  const body = new FormData();
  body.append("image", new Blob([new Uint8Array(bytes)]), "seven.png");
  const ask = async (path, options) => {
    const response = await fetch(url + path, options);
    const named = ["server-timing", "x-request-id", "retry-after"].filter(name => response.headers.has(name));
    return [response.status, (await response.json()), named];
  };
  const key = { "X-API-Key": "k".repeat(16) };
  return [
    await ask("/classify", { method: "POST", body, headers: key }),
    await ask("/classify", { method: "POST", body: "no form", headers: key }),
    await ask("/classify", { method: "POST", body }),
  ];
}"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Nothing on the terminal."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Iterator[str]:
    """The origin of a page that is not ours."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "index.html").write_text("<!doctype html><title>shop</title>")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as site:
        threading.Thread(target=site.serve_forever).start()
        yield f"http://127.0.0.1:{site.server_port}"
        site.shutdown()


@pytest.fixture(scope="module")
def allowing(shop, tmp_path_factory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("server") / "log"
    with serving(ZOO, log, cors_origins=f"https://shop.example, {shop}", api_keys="k" * 16) as url:
        yield url


@pytest.mark.browser
def test_a_page_that_is_allowed_reads_answers_and_errors(chromium, shop, allowing):
    with chromium.new_page() as page:
        page.goto(shop)
        answered, malformed, refused = page.evaluate(ASK, [allowing, list(PNG)])

    assert (answered[0], answered[1]["label"]) == (200, "7")
    assert answered[2] == ["server-timing", "x-request-id"]
    assert (malformed[0], refused[0]) == (400, 401)
    assert malformed[1]["error"] == malformed[1]["detail"]


@pytest.mark.browser
def test_a_page_that_is_not_allowed_reads_nothing(chromium, shop, server):
    with chromium.new_page() as page:
        page.goto(shop)
        with pytest.raises(Exception, match="Failed to fetch"):
            page.evaluate(ASK, [server, list(PNG)])


def test_preflights_need_no_key_and_name_the_origin(allowing, shop):
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    allowed = CLIENT.options(f"{allowing}/classify", headers={"Origin": shop, **asked})
    refused = CLIENT.options(f"{allowing}/classify", headers={"Origin": "https://other.example", **asked})

    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, shop)
    assert "access-control-allow-origin" not in refused.headers


def test_an_overloaded_service_tells_a_page_so(shop, tmp_path):
    """What is refused at the head has no headers for other origins; a page's requests are refused later."""
    with serving(ZOO, tmp_path / "log", cors_origins=shop, queue_limit="1", workers="1") as url:
        seen = _refusal_of_a_flood(url, shop)

    assert (seen["access-control-allow-origin"], seen["retry-after"].isdigit()) == (shop, True)


def _refusal_of_a_flood(url: str, origin: str) -> dict[str, str]:
    found: dict[str, str] = {}
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answer = CLIENT.post(f"{url}/classify", content=PNG, headers={"Origin": origin})
            if answer.status_code == 503:
                found.update(answer.headers)
                stop.set()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.parametrize("origins", ["shop.example", "https://shop.example/path", "ftp://shop.example"])
def test_what_is_no_origin_ends_the_start(origins, tmp_path):
    log = tmp_path / "log"
    with pytest.raises(ServerError), serving(ZOO, log, cors_origins=origins):
        pass
    assert "GLIMPSE_CORS_ORIGINS" in log.read_text()
