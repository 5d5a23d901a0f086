"""What a client can do with a connection, and when that ends."""

import json
import re
import select
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit

import pytest

from loadtests.server import serving
from models.model import ZOO
from tests.support.http_calls import CLIENT, PNG
from tests.support.waiting import WITHIN_S, wait_until


@contextmanager
def serving_quietly(tmp_path_factory, **settings: str) -> Iterator[str]:
    """A server whose log has no line about its connections in the end: strangers do not write it."""
    log = tmp_path_factory.mktemp("connection") / "log"
    with serving(ZOO, log, **settings) as url:
        yield url
    assert "service.http.connection" not in log.read_text()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory) -> Iterator[str]:
    """A server that waits two seconds for a head and four for a body."""
    with serving_quietly(tmp_path_factory, head_seconds="2", body_seconds="4") as url:
        yield url


@pytest.fixture(scope="module")
def bounded(tmp_path_factory) -> Iterator[str]:
    """A server of twelve connections, a megabyte of uploads at once and 700 kB for one picture."""
    bounds = {"max_connections": "12", "max_held_bytes": "1000000", "max_upload_bytes": "700000"}
    with serving_quietly(tmp_path_factory, **bounds) as url:
        yield url


def connect(url: str) -> socket.socket:
    return socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=WITHIN_S)


def answer_of(connection: socket.socket) -> tuple[int, dict[str, object]]:
    """The status and the problem that come before the connection is closed."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    return int(head.split()[1]), json.loads(body)


def still_answers(url: str) -> bool:
    return CLIENT.post(f"{url}/classify", files={"image": PNG}).status_code == 200


def ended(url: str, reason: str) -> float:
    found = re.findall(
        rf'connections_ended_total{{reason="{reason}"}} (\S+)', CLIENT.get(f"{url}/metrics").text
    )
    return float(found[0]) if found else 0.0


def head(*lines: str) -> bytes:
    return "\r\n".join(("POST /classify HTTP/1.1", "Host: x", *lines, "", "")).encode()


SLOW = {
    "nothing": (b"", 2),
    "half-a-head": (b"POST /classify HTTP/1.1\r\nHost:", 2),
    "no-body": (head("Content-Type: image/png", "Content-Length: 999"), 4),
    "half-a-body": (head("Content-Type: image/png", "Content-Length: 999") + b"x" * 9, 4),
    "half-a-chunk": (head("Content-Type: image/png", "Transfer-Encoding: chunked") + b"5\r\nab", 4),
}
"""What is sent, and the seconds that the server waits for the rest."""


@pytest.mark.slow
def test_slow_clients_are_answered_408(impatient):
    """All at once, as each takes seconds."""

    def send_and_wait(sent: bytes) -> tuple[float, int, dict[str, object]]:
        began = time.monotonic()
        with connect(impatient) as connection:
            connection.sendall(sent)
            status, problem = answer_of(connection)
        return time.monotonic() - began, status, problem

    before = ended(impatient, "slow")
    with ThreadPoolExecutor(len(SLOW)) as clients:
        answers = clients.map(send_and_wait, [sent for sent, _ in SLOW.values()])
        for (name, (_, waits)), (took, status, problem) in zip(SLOW.items(), answers, strict=True):
            assert status == 408, name
            assert "too long" in problem["detail"]
            assert took > waits - 1.1, name  # it looks once per second
    assert ended(impatient, "slow") == before + len(SLOW)


@pytest.mark.slow
def test_a_byte_now_and_then_is_slow_too(impatient):
    """The time for a body does not begin anew with each byte."""
    with connect(impatient) as connection:
        connection.sendall(head("Content-Type: image/png", "Content-Length: 9999"))

        def refused() -> bytes:
            if select.select([connection], [], [], 0.2)[0]:
                return connection.recv(1000)
            connection.sendall(b"x")
            return b""

        assert wait_until(refused).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\nLong: " + b"a" * 400_000, 431, id="one-long-header"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"Many: headers\r\n" * 20_000, 431, id="many-headers"),
        pytest.param(b"GET /" + b"a" * 400_000, 431, id="long-path"),
        pytest.param(
            head("Transfer-Encoding: chunked", "Content-Type: image/png")
            + b"1\r\nx\r\n0\r\nTrailer: "
            + b"a" * 400_000,
            431,
            id="long-trailer",
        ),
        pytest.param(
            head("Transfer-Encoding: chunked", "Content-Type: image/png") + b"1;" + b"a" * 400_000,
            431,
            id="long-chunk-extension",
        ),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, id="tls"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, id="http2"),
        pytest.param(b"hello\r\n\r\n", 400, id="text"),
        pytest.param(b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, id="negative-length"),
    ],
)
def test_malformed_heads_are_refused(bounded, sent, status):
    with connect(bounded) as connection:
        with suppress(ConnectionResetError, BrokenPipeError):  # refused before all of it was sent
            connection.sendall(sent)
        try:
            assert answer_of(connection)[0] == status
        except ConnectionResetError:
            # A close while bytes are on their way resets, and the answer may be lost with it.
            assert len(sent) > 100_000
    assert still_answers(bounded)


def test_a_head_within_its_bounds_is_read(bounded):
    headers = {"X-Long": "a" * 50_000}
    assert CLIENT.get(f"{bounded}/models", headers=headers).status_code == 200


def test_connections_have_a_bound(bounded):
    """One more than twelve is told so; one that is there is still answered."""
    before = ended(bounded, "full")
    sent = head("Content-Type: image/png", f"Content-Length: {len(PNG)}", "Connection: close") + PNG
    with ExitStack() as stack:
        first = stack.enter_context(connect(bounded))
        first.sendall(sent[:-9])
        others = [stack.enter_context(connect(bounded)) for _ in range(20)]
        # Nothing is sent on them: only those that were refused have something to read.
        wait_until(lambda: len(select.select(others, [], [], 1)[0]) == 20 - 11)
        refused = select.select(others, [], [], 0)[0]
        assert all(connection.recv(12) == b"HTTP/1.1 503" for connection in refused)
        first.sendall(sent[-9:])
        assert first.recv(12) == b"HTTP/1.1 200"
    wait_until(lambda: ended(bounded, "full") >= before + len(refused))
    assert still_answers(bounded)


def sent_and_taken(url: str, data: bytes) -> socket.socket | None:
    """A connection on which this was sent; None where there is no room for it, which it is told at once."""
    connection = connect(url)
    with suppress(ConnectionError):
        connection.sendall(data)
        if not select.select([connection], [], [], 0.5)[0]:
            return connection
    connection.close()
    return None


def test_all_uploads_together_have_a_bound(bounded):
    """Bodies that are still arriving count; one more than there is room for is refused at once."""

    def post_600_kb():
        return CLIENT.post(
            f"{bounded}/classify", content=b"x" * 600_000, headers={"content-type": "image/png"}
        )

    most = head("Content-Type: image/png", "Content-Length: 600000") + b"x" * 599_999
    with wait_until(lambda: sent_and_taken(bounded, most)):  # once those of the test before are gone
        wait_until(lambda: post_600_kb().status_code == 503)  # once the first has been read
        refused = post_600_kb()
        assert refused.status_code == 503
        assert "memory" in refused.json()["detail"]
        assert refused.headers["retry-after"] == "1"
        assert still_answers(bounded)  # a small one fits
    # The first has hung up: there is room again.
    wait_until(lambda: post_600_kb().status_code == 415)


def test_a_picture_of_a_batch_has_the_bound_of_one_picture(bounded):
    files = [("images", PNG), ("images", b"x" * 720_000)]
    assert CLIENT.post(f"{bounded}/classify/batch", files=files).status_code == 413
    assert CLIENT.post(f"{bounded}/classify/batch", files=files[:1]).status_code == 200


def test_a_field_has_a_bound(server):
    answer = CLIENT.post(f"{server}/classify", files={"image": PNG}, data={"model": "a" * 20_000})
    assert answer.status_code == 400
    assert "16,384 bytes" in answer.json()["detail"]
