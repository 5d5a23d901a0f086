"""API keys, and the rate of each client."""

import pytest

from loadtests.server import serving
from models.model import ZOO
from tests.support.http_calls import CLIENT, PNG

KEYS = [f"correct-horse-battery-staple-{number}" for number in range(5)]
KEY, OTHER = KEYS[:2]


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    """A server with five keys, and one picture in a hundred seconds for each: none comes back in a test."""
    log = tmp_path_factory.mktemp("locked") / "log"
    with serving(ZOO, log, api_keys=", ".join(KEYS), rate_limit="0.01", log_requests="true") as url:
        yield url
    assert not any(key in log.read_text() for key in KEYS)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer {OTHER}"},
        {"X-API-Key": KEYS[2]},
    ],
)
def test_a_key_opens(locked, headers):
    assert CLIENT.post(f"{locked}/classify", files={"image": PNG}, headers=headers).status_code == 200
    for path in ("models", "metrics", "docs.json"):
        assert CLIENT.get(f"{locked}/{path}", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-API-Key": KEY[:-1]}, {"X-API-Key": KEY.upper()}, {"Authorization": f"Basic {KEY}"},
     {"Authorization": "Bearer"}, {"X-API-Key": "\xe9" * 20}, {"Authorization": f"Bearer {KEY},{OTHER}"}],
)  # fmt: skip
def test_without_a_key_only_page_and_probes_answer(locked, headers):
    headers = {name: value.encode("latin-1") for name, value in headers.items()}
    for method, path in [("POST", "/classify"), ("POST", "/price/batch"), ("GET", "/models"),
                         ("GET", "/metrics"), ("GET", "/docs.json"), ("GET", "/nowhere")]:  # fmt: skip
        answer = CLIENT.request(method, locked + path, headers=headers)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "X-API-Key" in answer.json()["detail"]
    for path in ("/", "/page.js", "/page.css", "/livez", "/readyz"):
        assert CLIENT.get(locked + path, headers=headers).status_code == 200, path


def test_above_its_rate_a_client_is_refused(locked):
    """Each key is a client; a batch counts each of its pictures."""
    mine, theirs = ({"X-API-Key": key} for key in KEYS[3:])
    one = f"{locked}/classify"
    answers = [CLIENT.post(one, files={"image": PNG}, headers=mine) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 429, 429, 429, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 100
    assert "0.01 pictures per second" in answers[-1].json()["detail"]
    assert CLIENT.get(f"{locked}/models", headers=mine).status_code == 200  # no picture, no charge

    many = CLIENT.post(f"{locked}/classify/batch", files=[("images", PNG)] * 60, headers=theirs)
    assert many.status_code == 200  # it is in: all of it is answered
    after = CLIENT.post(one, files={"image": PNG}, headers=theirs)
    assert after.status_code == 429
    assert 5000 < int(after.headers["retry-after"]) <= 6000
    counted = CLIENT.get(f"{locked}/metrics", headers=mine).text
    assert 'access_refused_total{reason="rate"} 5.0' in counted


@pytest.mark.slow
@pytest.mark.parametrize(("trusted", "second"), [("127.0.0.1", 200), ("", 429)])
def test_only_a_trusted_proxy_names_the_client(tmp_path, trusted, second):
    """One picture in a thousand seconds."""

    def status(url, client):
        headers = {"X-Forwarded-For": client}
        return CLIENT.post(f"{url}/classify", files={"image": PNG}, headers=headers).status_code

    with serving(ZOO, tmp_path / "log", rate_limit="0.001", trusted_proxies=trusted) as url:
        assert [status(url, "192.0.2.1") for _ in range(3)] == [200, 429, 429]
        assert status(url, "192.0.2.2") == second
