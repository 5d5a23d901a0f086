"""What a client can do with a connection, and when that ends."""

import asyncio
import json
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import httpx
import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from loadtests.server import serving
from models.model import ZOO
from service.http.connection import Connection
from tests.support.images import pictures

PNG = pictures.encoded(pictures.digit(7))


@pytest.fixture(scope="module")
def impatient(tmp_path_factory) -> Iterator[str]:
    """A server that waits two seconds for a head and four for a body, and takes twelve connections."""
    log = tmp_path_factory.mktemp("impatient") / "log"
    with serving(ZOO, log, head_seconds="2", body_seconds="4", max_connections="12") as url:
        yield url
    assert "service.http.connection" not in log.read_text()  # strangers do not write our log


@contextmanager
def connected(url: str, timeout: float = 20) -> Iterator[socket.socket]:
    with socket.create_connection(
        (urlsplit(url).hostname, urlsplit(url).port), timeout=timeout
    ) as connection:
        yield connection


def answer_of(connection: socket.socket) -> tuple[int, dict[str, object]]:
    """The status and the problem that come before the connection is closed."""
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    return int(head.split()[1]), json.loads(body)


def still_answers(url: str) -> bool:
    return httpx.post(f"{url}/classify", files={"image": PNG}, timeout=20).status_code == 200


def ended(url: str, reason: str) -> float:
    found = re.findall(
        rf'connections_ended_total{{reason="{reason}"}} (\S+)', httpx.get(f"{url}/metrics").text
    )
    return float(found[0]) if found else 0.0


def head(*lines: str) -> bytes:
    return "\r\n".join(("POST /classify HTTP/1.1", "Host: x", *lines, "", "")).encode()


@pytest.mark.parametrize(
    ("sent", "waits"),
    [
        pytest.param(b"", 2, id="nothing"),
        pytest.param(b"POST /classify HTTP/1.1\r\nHost:", 2, id="half-a-head"),
        pytest.param(head("Content-Type: image/png", "Content-Length: 999"), 4, id="no-body"),
        pytest.param(head("Content-Type: image/png", "Content-Length: 999") + b"x" * 9, 4, id="half-a-body"),
        pytest.param(
            head("Content-Type: image/png", "Transfer-Encoding: chunked") + b"5\r\nab", 4, id="half-a-chunk"
        ),
    ],
)
def test_who_keeps_us_waiting_is_answered_408(impatient, sent, waits):
    before = ended(impatient, "slow")
    with connected(impatient) as connection:
        began = time.monotonic()
        connection.sendall(sent)
        status, problem = answer_of(connection)
    assert status == 408
    assert "too long" in problem["detail"]
    assert time.monotonic() - began > waits - 1.1  # it looks once per second
    assert ended(impatient, "slow") == before + 1


def test_a_byte_now_and_then_is_slow_too(impatient):
    with connected(impatient) as connection:
        connection.sendall(head("Content-Type: image/png", "Content-Length: 999"))
        connection.settimeout(0.2)
        for _ in range(60):
            try:
                connection.sendall(b"x")
                received = connection.recv(1000)
                break
            except TimeoutError:
                continue
    assert received.startswith(b"HTTP/1.1 408 ")


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
def test_what_is_no_request_is_answered_and_closed(impatient, sent, status):
    with connected(impatient) as connection:
        with suppress(ConnectionResetError, BrokenPipeError):  # refused before all of it was sent
            connection.sendall(sent)
        try:
            assert answer_of(connection)[0] == status
        except ConnectionResetError:
            # A close while bytes are on their way resets, and the answer may be lost with it.
            assert len(sent) > 100_000
    assert still_answers(impatient)


def test_a_head_within_its_bounds_is_read(impatient):
    headers = {"X-Long": "a" * 50_000}
    assert httpx.get(f"{impatient}/models", headers=headers).status_code == 200


def test_connections_have_a_bound(impatient):
    """Twelve hold theirs; the thirteenth is told so; whoever has one is still answered."""
    before = ended(impatient, "full")
    with httpx.Client(base_url=impatient) as client:
        client.get("/livez")
        others = [socket.create_connection((client.base_url.host, client.base_url.port)) for _ in range(20)]
        refused = 0
        for connection in others:
            connection.settimeout(0.3)
            with suppress(TimeoutError):
                refused += connection.recv(12) == b"HTTP/1.1 503"
        assert client.post("/classify", files={"image": PNG}).status_code == 200
        for connection in others:
            connection.close()
    assert refused == 20 - 11
    assert ended(impatient, "full") == before + refused
    assert still_answers(impatient)


def test_a_slow_answer_is_not_a_slow_client(tmp_path):
    """While we compute or do not read, the client's time does not run."""
    photo = pictures.encoded(pictures.landscape(3000, 2000), "JPEG")
    with serving(ZOO, tmp_path / "log", head_seconds="1", body_seconds="1", decoders="1") as url:
        files = [("images", photo)] * 250
        answer = httpx.post(f"{url}/price/batch", files=files, timeout=60)
        assert answer.status_code == 200
        assert float(re.findall(r"total;dur=([\d.]+)", answer.headers["server-timing"])[0]) > 2000
        assert ended(url, "slow") == 0


def test_all_uploads_together_have_a_bound(tmp_path):
    """Bodies that are still arriving count; one more than there is room for is refused at once."""
    length = "Content-Length: 600000"
    with serving(ZOO, tmp_path / "log", max_held_bytes="1000000") as url:
        with connected(url) as first, connected(url) as second:
            first.sendall(head("Content-Type: image/png", length) + b"x" * 599_999)
            until = time.monotonic() + 5
            while time.monotonic() < until:  # until it has been read
                refused = httpx.post(
                    f"{url}/classify", content=b"x" * 600_000, headers={"content-type": "image/png"}
                )
                if refused.status_code == 503:
                    break
            assert refused.status_code == 503
            assert "memory" in refused.json()["detail"]
            assert refused.headers["retry-after"] == "1"
            second.close()
            assert still_answers(url)  # a small one fits
        until = time.monotonic() + 5
        while (answer := httpx.post(f"{url}/classify", content=b"x" * 600_000,
                                    headers={"content-type": "image/png"})).status_code == 503:  # fmt: skip
            assert time.monotonic() < until  # the first has hung up: there is room again
        assert answer.status_code == 415


def test_a_field_has_a_bound(server):
    answer = httpx.post(f"{server}/classify", files={"image": PNG}, data={"model": "a" * 20_000})
    assert answer.status_code == 400
    assert "16,384 bytes" in answer.json()["detail"]


def test_one_picture_of_a_batch_has_the_bound_of_one_picture(tmp_path):
    with serving(ZOO, tmp_path / "log", max_upload_bytes="100000") as url:
        files = [("images", PNG), ("images", b"x" * 120_000)]
        assert httpx.post(f"{url}/classify/batch", files=files).status_code == 413
        assert httpx.post(f"{url}/classify/batch", files=files[:1]).status_code == 200


def test_a_head_for_which_there_is_no_memory_is_no_malformed_one():
    """What the parser calls raises; the parser says only that a callback failed."""

    class Full(Connection):
        def on_url(self, url: bytes) -> None:
            raise MemoryError

    async def app(scope, receive, send):
        raise AssertionError("no request is complete")

    async def scenario() -> bytes:
        config = Config(app, lifespan="off")
        config.load()
        server = await asyncio.get_running_loop().create_server(
            lambda: Full(config, ServerState(), {}), "127.0.0.1", 0
        )
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = await reader.read()
            writer.close()
            return answer

    head, _, body = asyncio.run(scenario()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in head.lower()
    assert "out of memory" in json.loads(body)["detail"]
