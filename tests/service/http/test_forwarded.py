"""Behind a path prefix: the service answers whether the proxy takes the prefix away or not."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from loadtests.server import free_port, serving
from models.model import ZOO
from service.http.forwarded import Forwarded
from service.settings import Settings, is_root_path
from tests.support.http_calls import CLIENT, PNG, post
from tests.support.waiting import wait_until

PREFIX = {"X-Forwarded-Prefix": "/told/"}

PROXY = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend all
    bind 127.0.0.1:{port}
    http-request set-header X-Forwarded-Prefix /taken if {{ path_beg /taken }}
    http-request replace-path /taken/?(.*) /\\1 if {{ path_beg /taken }}
    default_backend service
backend service
    server one {service}
"""


@pytest.fixture(scope="module")
def below(tmp_path_factory) -> Iterator[str]:
    """A service that is shown under /glimpse, and believes what is said at its own address."""
    log = tmp_path_factory.mktemp("server") / "log"
    with serving(ZOO, log, root_path="/glimpse", trusted_proxies="127.0.0.1") as url:
        yield url


@pytest.mark.parametrize("prefix", ["", "/glimpse"])
def test_the_prefix_may_be_there_or_not(below, prefix):
    assert post(below, f"{prefix}/classify").json()["label"] == "7"
    assert CLIENT.get(f"{below}{prefix}/readyz").status_code == 200
    assert "<title>" in CLIENT.get(f"{below}{prefix}/").text
    assert CLIENT.get(f"{below}{prefix}/docs.json").json()["servers"][0]["url"] == "/glimpse"


def test_the_page_is_a_folder(below):
    answer = CLIENT.get(f"{below}/glimpse")

    assert (answer.status_code, answer.headers["location"]) == (308, "/glimpse/")


def test_a_trusted_proxy_says_the_prefix(below):
    assert CLIENT.get(f"{below}/told/readyz", headers=PREFIX).status_code == 200
    assert CLIENT.get(f"{below}/docs.json", headers=PREFIX).json()["servers"][0]["url"] == "/told"
    assert CLIENT.get(f"{below}/glimpse/readyz", headers=PREFIX).status_code == 404


@pytest.mark.parametrize("said", ["//evil.example", "/a b", "/a/../b?c", "told", "https://evil.example/"])
def test_a_prefix_that_is_none_is_not_believed(below, said):
    answer = CLIENT.get(f"{below}/glimpse", headers={"X-Forwarded-Prefix": said})

    assert not is_root_path(said)
    assert answer.headers["location"] == "/glimpse/"


@pytest.mark.parametrize(("client", "path"), [("10.1.2.3", "/readyz"), ("192.0.2.1", "/told/readyz")])
def test_only_the_proxies_that_are_named_are_believed(client, path):
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["path"])

    scope = {
        "type": "http", "path": "/told/readyz", "client": (client, 5000),
        "headers": [(b"x-forwarded-prefix", b"/told")],
    }  # fmt: skip
    asyncio.run(Forwarded(app, Settings(trusted_proxies="192.0.2.7, 10.0.0.0/8"))(scope, None, None))

    assert seen == [path]


def test_nobody_else_says_the_prefix(server):
    assert CLIENT.get(f"{server}/told/readyz", headers=PREFIX).status_code == 404


@pytest.mark.browser
@pytest.mark.skipif(
    shutil.which("haproxy") is None, reason="haproxy is not installed: apt-get install haproxy"
)
@pytest.mark.parametrize("prefix", ["/glimpse", "/taken/"], ids=["kept", "taken"])
def test_the_page_answers_behind_a_proxy(chromium, below, tmp_path, prefix):
    port = free_port()
    configuration = tmp_path / "haproxy.cfg"
    configuration.write_text(PROXY.format(port=port, service=below.removeprefix("http://")))
    (tmp_path / "seven.png").write_bytes(PNG)
    with subprocess.Popen(["haproxy", "-q", "-f", configuration]) as proxy, chromium.new_page() as page:
        url = f"http://127.0.0.1:{port}{prefix}"
        wait_until(lambda: _answers(f"{url.rstrip('/')}/readyz"))
        page.goto(url)
        expect(page.get_by_label("Answered by")).not_to_be_empty()
        page.locator("#file").set_input_files(tmp_path / "seven.png")
        expect(page.locator("#headline")).to_have_text("7")
        proxy.terminate()


def _answers(url: str) -> bool:
    try:
        return CLIENT.get(url).status_code == 200
    except Exception:
        return False
