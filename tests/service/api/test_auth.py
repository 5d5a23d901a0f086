"""Keys and rates: who may ask, and how often."""

import httpx
import pytest

from loadtests.server import serving
from models.model import ZOO
from tests.support.images import pictures

PNG = pictures.encoded(pictures.digit(7))
KEY, OTHER = "correct-horse-battery-staple", "another-key-of-some-length"


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    log = tmp_path_factory.mktemp("locked") / "log"
    with serving(ZOO, log, api_keys=f"{KEY}, {OTHER}", log_requests="true") as url:
        yield url
    assert KEY not in log.read_text()


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY}"},
        {"Authorization": f"bearer {OTHER}"},
        {"X-API-Key": KEY},
    ],
)
def test_a_key_opens(locked, headers):
    assert httpx.post(f"{locked}/classify", files={"image": PNG}, headers=headers).status_code == 200
    for path in ("models", "metrics", "docs.json"):
        assert httpx.get(f"{locked}/{path}", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-API-Key": KEY[:-1]}, {"X-API-Key": KEY.upper()}, {"Authorization": f"Basic {KEY}"},
     {"Authorization": "Bearer"}, {"X-API-Key": "\xe9" * 20}, {"Authorization": f"Bearer {KEY},{OTHER}"}],
)  # fmt: skip
def test_without_a_key_nothing_is_answered_but_the_page_and_the_probes(locked, headers):
    headers = {name: value.encode("latin-1") for name, value in headers.items()}
    with httpx.Client(base_url=locked, headers=headers) as client:
        for method, path in [("POST", "/classify"), ("POST", "/price/batch"), ("GET", "/models"),
                             ("GET", "/metrics"), ("GET", "/docs.json"), ("GET", "/nowhere")]:  # fmt: skip
            answer = client.request(method, path)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "X-API-Key" in answer.json()["detail"]
        for path in ("/", "/page.js", "/page.css", "/livez", "/readyz"):
            assert client.get(path).status_code == 200, path


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [("api_keys", "short", "GLIMPSE_API_KEYS"), ("rate_limit", "-1", "GLIMPSE_RATE_LIMIT")],
)
def test_what_would_protect_nobody_is_no_setting(tmp_path, variable, value, said):
    log = tmp_path / "log"
    with pytest.raises(AssertionError, match="ended with 1"), serving(ZOO, log, **{variable: value}):
        pass
    assert said in log.read_text()
    assert "short" not in log.read_text()


def test_above_its_rate_a_client_is_told_when_to_come_back(tmp_path):
    """Two per second, twenty at once; another key is another client; a batch counts each of its pictures."""
    mine, theirs = {"X-API-Key": KEY}, {"X-API-Key": OTHER}
    with serving(ZOO, tmp_path / "log", api_keys=f"{KEY},{OTHER}", rate_limit="2") as url:
        one = f"{url}/classify"
        answers = [httpx.post(one, files={"image": PNG}, headers=mine) for _ in range(30)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert answers[0].status_code == 200
        assert 1 <= len(refused) <= 10
        assert refused[-1].headers["retry-after"] == "1"
        assert "2 pictures per second" in refused[-1].json()["detail"]
        assert httpx.get(f"{url}/models", headers=mine).status_code == 200  # no picture, no charge

        many = httpx.post(f"{url}/classify/batch", files=[("images", PNG)] * 60, headers=theirs)
        assert many.status_code == 200  # it is in: all of it is answered
        after = httpx.post(one, files={"image": PNG}, headers=theirs)
        assert after.status_code == 429
        assert int(after.headers["retry-after"]) >= 15
        counted = httpx.get(f"{url}/metrics", headers=mine).text
    assert f'access_refused_total{{reason="rate"}} {len(refused) + 1}.0' in counted


def test_a_trusted_proxy_says_who_is_asking(tmp_path):
    def statuses(url, client):
        headers = {"X-Forwarded-For": client}
        return {
            httpx.post(f"{url}/classify", files={"image": PNG}, headers=headers).status_code
            for _ in range(15)
        }

    with serving(ZOO, tmp_path / "log", rate_limit="1", trusted_proxies="127.0.0.1") as url:
        assert statuses(url, "192.0.2.1") == {200, 429}
        assert httpx.post(f"{url}/classify", files={"image": PNG},
                          headers={"X-Forwarded-For": "192.0.2.2"}).status_code == 200  # fmt: skip
    with serving(ZOO, tmp_path / "log", rate_limit="1") as url:
        assert statuses(url, "192.0.2.1") == {200, 429}
        assert statuses(url, "192.0.2.2") == {429}  # whoever it claims to be
