"""Refusing at the head: before the body is sent, on a connection that goes on to be used."""

import json
import socket
import threading
from urllib.parse import urlsplit

import pytest

from models.model import ZOO
from tests.support.http_calls import CLIENT, PNG
from tests.support.models.hanging import serving_that_hangs
from tests.support.waiting import WITHIN_S, wait_until

pytestmark = pytest.mark.slow

LIMIT = 2


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A server whose model takes two pictures, both of which hang; and the switch that ends it."""
    settings = {"queue_limit": str(LIMIT), "workers": "1", "device": "cpu", "api_keys": "a-key-of-sixteen"}
    settings |= {"batch_seconds": "600", "deadline_ms": "600000"}
    with serving_that_hangs(ZOO, tmp_path_factory.mktemp("full"), **settings) as (url, hang):
        hang.every_run()
        key = {"X-API-Key": "a-key-of-sixteen"}
        clients = [
            threading.Thread(target=CLIENT.post, args=(f"{url}/classify",), kwargs={
                "files": {"image": PNG}, "headers": key, "timeout": 600})
            for _ in range(LIMIT)
        ]  # fmt: skip
        for client in clients:
            client.start()
        wait_until(lambda: f'{{model="digits-cnn"}} {LIMIT}.0' in metrics(url))
        yield url, hang
        hang.end()
        for client in clients:
            client.join()


def metrics(url):
    return CLIENT.get(f"{url}/metrics", headers={"X-API-Key": "a-key-of-sixteen"}).text


def refused_keys(url):
    """Requests without a valid key."""
    line = 'glimpse_access_refused_total{reason="key"}'
    return next((float(one.split()[-1]) for one in metrics(url).splitlines() if one.startswith(line)), 0.0)


class RawClient:
    """One connection, on which heads and bodies are sent apart."""

    def __init__(self, url: str) -> None:
        host, port = urlsplit(url).hostname, urlsplit(url).port
        self._socket = socket.create_connection((host, port), timeout=WITHIN_S)
        self._file = self._socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()
        self._socket.close()

    def send_head(self, path="/classify", key="a-key-of-sixteen", **headers):
        lines = [f"POST {path} HTTP/1.1", "Host: a", "Content-Type: image/png", f"Content-Length: {len(PNG)}"]
        lines += [f"X-API-Key: {key}", *(f"{name}: {value}" for name, value in headers.items())]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def send(self, body):
        self._socket.sendall(body)

    def receive(self):
        """Status, headers and JSON of one response."""
        status = int(self._file.readline().split()[1])
        headers = {}
        while (line := self._file.readline().strip()) != b"":
            name, _, value = line.decode().partition(": ")
            headers[name] = value
        return status, headers, json.loads(self._file.read(int(headers["content-length"])))


def test_the_refusal_comes_before_the_body_and_the_connection_goes_on(full):
    url, _ = full
    with RawClient(url) as client:
        client.send_head(**{"X-Request-ID": "order-66"})
        status, headers, problem = client.receive()
        assert (status, problem["title"], problem["request_id"]) == (503, "Overloaded", "order-66")
        assert headers["x-request-id"] == "order-66"
        assert int(headers["retry-after"]) >= 1
        assert headers["content-type"] == "application/problem+json"
        client.send(PNG)
        # The body was discarded: the next head is read where it begins.
        client.send_head(path="/classify?model=digits-mlp")
        client.send(b"no picture" + bytes(len(PNG) - 10))
        assert client.receive()[0] == 415


def test_it_is_counted_as_any_refusal(full):
    url, _ = full
    line = 'glimpse_refusals_total{model="digits-cnn",reason="full"}'
    before = next(float(found.split()[-1]) for found in metrics(url).splitlines() if found.startswith(line))
    with RawClient(url) as client:
        for _ in range(5):
            client.send_head()
            client.send(PNG)
            assert client.receive()[0] == 503
    assert f"{line} {before + 5}" in metrics(url)


def test_what_comes_before_a_refusal_still_does(full):
    """A missing key, and a client that waits before it sends its body."""
    url, _ = full
    before = refused_keys(url)
    with RawClient(url) as client:
        client.send_head(key="another-key-of-no-use")
        client.send(PNG)
        assert client.receive()[0] == 401
    assert refused_keys(url) == before + 1
    with RawClient(url) as client:
        client.send_head(Expect="100-continue")
        client.send(PNG)
        client._file.readline()  # HTTP/1.1 100 Continue
        client._file.readline()
        assert client.receive()[0] == 503


def test_other_models_and_calls_are_open(full):
    url, _ = full
    assert CLIENT.get(f"{url}/readyz").status_code == 200
    key = {"X-API-Key": "a-key-of-sixteen"}
    answer = CLIENT.post(f"{url}/classify?model=none-such", files={"image": PNG}, headers=key)
    assert answer.status_code == 404
