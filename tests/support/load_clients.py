"""Clients that ask without a pause, for tests that count what becomes of every request."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

PATIENCE = 90
"""Seconds until a test that waits for answers has failed."""


class Clients:
    """So many clients that ask until told to stop, each on a connection of its own that it keeps.

    ask: makes one request, tries again if it likes, and says what came of it.
    """

    def __init__(self, url: str, number: int, ask: Callable[[httpx.Client], str]) -> None:
        self._url = url
        self._number = number
        self._ask = ask
        self._enough = threading.Event()
        self._pool = ThreadPoolExecutor(number)
        self._lock = threading.Lock()
        self.outcomes: Counter[str] = Counter()

    def __enter__(self) -> "Clients":
        for _ in range(self._number):
            self._pool.submit(self._go_on_asking)
        return self

    def __exit__(self, *exception: object) -> None:
        self._enough.set()
        self._pool.shutdown()

    def wait_for(self, count: int, outcome: str = "200") -> None:
        """Until so many more requests have come to this."""
        goal = self.outcomes[outcome] + count
        until = time.monotonic() + PATIENCE
        while self.outcomes[outcome] < goal:
            assert time.monotonic() < until, self.outcomes
            time.sleep(0.01)

    def _go_on_asking(self) -> None:
        with httpx.Client(base_url=self._url, timeout=60) as client:
            while not self._enough.is_set():
                outcome = self._ask(client)
                with self._lock:
                    self.outcomes[outcome] += 1
