"""Clients that send requests without a pause and count their outcomes."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

WAIT_TIMEOUT_S = 90
"""A test that waits longer for responses has failed."""


class Clients:
    """Concurrent clients that send requests until the end of a `with` block.

    Each keeps a connection of its own.

    Args:
        url: The base URL of the server.
        count: The number of clients.
        ask: Sends one request, with retries if it likes, and names its outcome.
    """

    def __init__(self, url: str, count: int, ask: Callable[[httpx.Client], str]) -> None:
        self._url = url
        self._count = count
        self._ask = ask
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(count)
        self._lock = threading.Lock()
        self.outcomes: Counter[str] = Counter()

    def __enter__(self) -> "Clients":
        for _ in range(self._count):
            self._pool.submit(self._ask_repeatedly)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._pool.shutdown()

    def wait_for(self, count: int, outcome: str = "200") -> None:
        """Wait until so many more requests have this outcome."""
        goal = self.outcomes[outcome] + count
        deadline = time.monotonic() + WAIT_TIMEOUT_S
        while self.outcomes[outcome] < goal:
            assert time.monotonic() < deadline, self.outcomes
            time.sleep(0.01)

    def _ask_repeatedly(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as client:
            while not self._stop.is_set():
                outcome = self._ask(client)
                with self._lock:
                    self.outcomes[outcome] += 1
