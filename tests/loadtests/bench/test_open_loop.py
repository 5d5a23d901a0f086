"""The open loop: what it counts, from when, and on how many connections."""

import asyncio
import contextlib
import itertools
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest

from loadtests.bench.load.open_loop import open_loop
from loadtests.bench.load.open_loop_client import BROKEN, UNANSWERED, WARM_UP_S, Generator, summary
from loadtests.bench.load.payloads import Body
from loadtests.server import free_port

pytestmark = pytest.mark.bench

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
REFUSED = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nConnection: close\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
GATEWAY_TIMEOUT = b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n"

REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"


class StubServer:
    """Answers each request with the next of some responses; an empty one breaks the connection."""

    def __init__(self, responses: list[bytes], delay_s: float = 0.0, in_pieces: bool = False) -> None:
        self._responses, self._delay_s, self._in_pieces = itertools.cycle(responses), delay_s, in_pieces
        self.bodies: list[bytes] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await self._answered(reader, writer):
                pass
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def _answered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        self.bodies.append(await reader.readexactly(length))
        await asyncio.sleep(self._delay_s)
        response = next(self._responses)
        middle = len(response) // 2 if self._in_pieces else 0
        for piece in (response[:middle], response[middle:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.001)
        return bool(response) and b"close" not in response


@contextmanager
def listening(stub: StubServer) -> Iterator[int]:
    """The port of a stub; its clients close their connections first."""
    port, ready, loop = free_port(), threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with await asyncio.start_server(stub.serve, "127.0.0.1", port, backlog=200):
            ready.set()
            await stop.wait()
        while len(asyncio.all_tasks()) > 1:
            await asyncio.sleep(0.01)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    ready.wait()
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def run(stub: StubServer, count: int, limit: int, rate: float = 500.0, opened: int = 0) -> Generator:
    with (
        listening(stub) as port,
        closing(Generator(("127.0.0.1", port), [REQUEST], rate, count, limit)) as one,
    ):
        one.run(opened)
    return one


@pytest.mark.parametrize("in_pieces", [False, True])
def test_every_status_is_counted(in_pieces):
    generator = run(StubServer([OK, REFUSED, CHUNKED, GATEWAY_TIMEOUT], in_pieces=in_pieces), 80, limit=8)

    assert sorted(generator.statuses) == [200] * 40 + [503] * 20 + [504] * 20
    assert generator.errors == 0


def test_a_broken_connection_is_an_error_and_another_is_opened():
    generator = run(StubServer([OK, b""]), 20, limit=1)

    assert list(generator.statuses).count(BROKEN) == generator.errors == 10
    assert list(generator.statuses).count(200) == 10


def test_nobody_listens():
    with closing(Generator(("127.0.0.1", free_port()), [REQUEST], 500.0, 5, 5)) as generator:
        generator.run(0)

    assert list(generator.statuses) == [BROKEN] * 5
    assert generator.errors == 5


def test_latency_counts_from_the_moment_a_request_is_due():
    # One connection, 20 ms for each request, one due every 2 ms: the last waits for all the others.
    generator = run(StubServer([OK], delay_s=0.02), 20, limit=1)
    latencies_s = [done - number / 500 for number, done in enumerate(generator.done_s)]

    assert latencies_s[-1] >= 20 * 0.02 - 20 / 500
    assert latencies_s == sorted(latencies_s)


def test_connections_are_used_in_turn():
    stub = StubServer([OK])
    generator = run(stub, 60, limit=100, opened=30)

    assert stub.connections == generator.most_connections
    assert generator.most_connections >= 30


def test_only_what_is_due_in_the_measured_time_is_summed_up():
    rate, seconds = 100.0, 1
    with closing(
        Generator(("127.0.0.1", 1), [REQUEST], rate, int(rate * (WARM_UP_S + seconds)), 1)
    ) as generator:
        pass  # its figures are made up here
    first = int(rate * WARM_UP_S)
    due = np.arange(len(generator.statuses)) / rate
    generator.noticed_s[:] = generator.sent_s[:] = type(generator.sent_s)("d", due + 0.001)
    generator.statuses[:] = type(generator.statuses)("i", [503] * first + [200] * 100)
    took = np.full(len(due), 0.04)
    took[first + 90 :] = 0.4  # too late for the measured time, but not for the latencies
    for number, status in ((first, 503), (first + 1, 504), (first + 2, UNANSWERED)):
        generator.statuses[number] = status
    took[first] = 0.002
    generator.done_s[:] = type(generator.done_s)("d", due + took)

    figures = summary(generator, rate, seconds)

    assert figures["requests_per_s"] == 87
    assert figures["answers"] == 97
    assert figures["sent_per_s"] == 100
    assert (figures["p50_ms"], figures["p99_ms"]) == (pytest.approx(40), pytest.approx(400))
    assert (figures["refused"], figures["refused_p50_ms"]) == (1, pytest.approx(2))
    assert (figures["others"], figures["errors"]) == (1, 1)
    assert figures["late_ms"] == pytest.approx(1)


def test_the_program_posts_every_body(tmp_path):
    stub = StubServer([OK])
    bodies = [Body(b"one", "image/png", {"X-Other": "1"}), Body(b"two", "image/png", {"X-Other": "1"})]
    with listening(stub) as port:
        result = open_loop(f"http://127.0.0.1:{port}/classify", bodies, 50.0, 1, tmp_path)

    assert result.answers == len(stub.bodies) == 150
    assert set(stub.bodies) == {b"one", b"two"}
    assert (result.others, result.errors, result.refused) == (0, 0, 0)
    assert result.connections >= 100
