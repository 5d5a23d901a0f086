"""`python -m loadtests.bench.load.open_loop_client URL HEADERS FILE...`: posts files at a fixed rate.

One thread on epoll; a request takes it about 50 us. As many connections as two seconds have requests are
opened before the load and used in turn, more when none is free, up to the limit; beyond it requests wait.
Prints the fields of loadtests.bench.load.open_loop.OpenLoop as JSON.
"""

import argparse
import gc
import json
import select
import time
from array import array
from collections import deque
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from loadtests.bench.load.http_connection import Connection

WARM_UP_S = 2.0
"""The beginning of the load, which is not measured."""

PERIOD_S = 2.0
"""From one request of a connection to its next, while connections are free."""

OPENED_PER_S = 1000
"""Connections opened per second before the load."""

RESPONSE_TIMEOUT_S = 30.0
"""How long the last responses are waited for."""

UNANSWERED, BROKEN = 0, -1
"""In place of a status."""


class Generator:
    """Sends requests when they are due and notes when their responses come.

    Args:
        address: Host and port.
        requests: Whole requests, sent in turn.
        rate: Requests per second.
        count: Number of requests.
        limit: The most connections.
    """

    def __init__(
        self, address: tuple[str, int], requests: list[bytes], rate: float, count: int, limit: int
    ) -> None:
        self._address, self._requests, self._rate, self._limit = address, requests, rate, limit
        self._epoll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._idle: deque[Connection] = deque()
        self._waiting: deque[int] = deque()
        self._pending = 0
        self.statuses = array("i", [UNANSWERED]) * count
        self.noticed_s, self.sent_s, self.done_s = (array("d", [np.inf]) * count for _ in range(3))
        self.errors = 0
        self.most_connections = 0

    def run(self, connections: int) -> None:
        """Open so many connections, then send every request and wait for the responses.

        Times in noticed_s, sent_s and done_s count from the first request.
        """
        began_at = time.perf_counter()
        for opened in range(min(connections, self._limit)):
            self._open(None)
            while (wait := began_at + opened / OPENED_PER_S - time.perf_counter()) > 0:
                self._serve_sockets(wait)
        count, sent = len(self.statuses), 0
        self._start = time.perf_counter()
        end = count / self._rate + RESPONSE_TIMEOUT_S
        while (now := time.perf_counter() - self._start) < end:
            while sent < count and now >= sent / self._rate:
                self.noticed_s[sent] = now
                self._pending += 1
                self._begin(sent)
                sent += 1
            if sent == count and not self._pending:
                break
            self._serve_sockets(sent / self._rate - now if sent < count else 0.05)

    def close(self) -> None:
        """Close all connections."""
        for connection in self._connections.values():
            connection.close()
        self._epoll.close()

    def _begin(self, request: int) -> None:
        """Send a request on a free connection, on a new one, or when there is one."""
        while self._idle:
            connection = self._idle.popleft()
            if connection.is_open:
                self._send(connection, request)
                return
        if len(self._connections) < self._limit:
            self._open(request)
        else:
            self._waiting.append(request)

    def _open(self, request: int | None) -> None:
        connection = Connection(self._address, request)
        self._connections[connection.number] = connection
        self.most_connections = max(self.most_connections, len(self._connections))
        self._epoll.register(connection.number, select.EPOLLIN | select.EPOLLOUT)

    def _send(self, connection: Connection, request: int) -> None:
        connection.request = request
        self.sent_s[request] = time.perf_counter() - self._start
        try:
            if not connection.send(self._requests[request % len(self._requests)]):
                self._epoll.modify(connection.number, select.EPOLLIN | select.EPOLLOUT)
        except OSError:
            self._drop(connection)

    def _serve_sockets(self, timeout_s: float) -> None:
        # epoll itself waits for whole milliseconds, in which several requests may be due.
        if timeout_s > 0:
            select.select([self._epoll.fileno()], [], [], timeout_s)
        for number, events in self._epoll.poll(0):
            connection = self._connections[number]
            try:
                if events & select.EPOLLOUT and connection.has_sent():
                    self._epoll.modify(number, select.EPOLLIN)
                    self._connected(connection)
                if events & ~select.EPOLLOUT:
                    self._read(connection)
            except OSError:
                self._drop(connection)

    def _connected(self, connection: Connection) -> None:
        """A new connection sends the request that it was opened for; others have sent theirs."""
        if not connection.was_used:
            connection.was_used = True
            if connection.request is None:
                self._idle.append(connection)
            else:
                self._send(connection, connection.request)

    def _read(self, connection: Connection) -> None:
        status = connection.receive()
        if status is None:
            return
        is_asked_for = connection.request is not None
        if connection.request is not None:
            self.statuses[connection.request] = status
            self.done_s[connection.request] = time.perf_counter() - self._start
            self._pending -= 1
            connection.request = None
        if not (is_asked_for and connection.can_stay):
            self._drop(connection)
        elif self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._idle.append(connection)

    def _drop(self, connection: Connection) -> None:
        """Close a connection; a request that is under way on it has failed."""
        if connection.request is not None:
            self.statuses[connection.request] = BROKEN
            self._pending -= 1
        self.errors += connection.request is not None or not connection.was_used
        connection.request = None
        del self._connections[connection.number]
        connection.close()
        if self._waiting:
            self._open(self._waiting.popleft())


def main() -> None:
    """Print the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("headers", type=json.loads, help="a JSON object")
    parser.add_argument("files", type=Path, nargs="+")
    parser.add_argument("--rate", type=float, required=True, help="requests per second")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, required=True, help="the most connections")
    options = parser.parse_args()
    url = urlsplit(options.url)
    assert url.hostname
    assert url.port
    fields = "".join(f"{name}: {value}\r\n" for name, value in options.headers.items())
    head = f"POST {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\n{fields}"
    contents = [path.read_bytes() for path in options.files]
    requests = [f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content for content in contents]
    count = round(options.rate * (WARM_UP_S + options.seconds))
    gc.disable()  # a pause would make requests late
    address = (url.hostname, url.port)
    with closing(Generator(address, requests, options.rate, count, options.connections)) as generator:
        began_at, cpu_before = time.perf_counter(), time.process_time()
        generator.run(round(PERIOD_S * options.rate))
        cpu = (time.process_time() - cpu_before) / (time.perf_counter() - began_at)
    print(json.dumps(summary(generator, options.rate, options.seconds) | {"generator_cpu": cpu}))


def summary(generator: Generator, rate: float, seconds: float) -> dict[str, float]:
    """The figures of a run, but for the generator's CPU time."""
    statuses, noticed, sent, done = (
        np.array(values)
        for values in (generator.statuses, generator.noticed_s, generator.sent_s, generator.done_s)
    )
    due = np.arange(len(statuses)) / rate
    start, stop = WARM_UP_S, WARM_UP_S + seconds
    measured = (due >= start) & (due < stop)
    ok, refused = (statuses == 200), measured & (statuses == 503)
    latencies_ms = 1e3 * (done - due)
    in_time = ok & (done >= start) & (done < stop)
    unanswered = measured & (statuses == UNANSWERED)
    return {
        "answers": int(ok.sum()),
        "sent_per_s": float(((sent >= start) & (sent < stop)).sum() / seconds),
        "requests_per_s": float(in_time.sum() / seconds),
        "p50_ms": percentile(latencies_ms[ok & measured], 50),
        "p99_ms": percentile(latencies_ms[ok & measured], 99),
        "refused": int(refused.sum()),
        "refused_p50_ms": percentile(latencies_ms[refused], 50),
        "others": int((measured & (statuses > 0) & (statuses != 200) & (statuses != 503)).sum()),
        "errors": generator.errors + int(unanswered.sum()),
        "connections": generator.most_connections,
        "late_ms": percentile(1e3 * (noticed - due)[measured], 99),
    }


def percentile(values: np.ndarray, percent: float) -> float:
    """0 without any values."""
    return float(np.percentile(values, percent)) if len(values) else 0.0


if __name__ == "__main__":
    main()
