"""A batch queue around a model that doubles numbers."""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from service.inference.batch_queue import BatchQueue


class Doubler:
    """Answers 2 n for n, remembers its batches and how many ran at once, and waits for `go` where it is
    cleared."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.most_at_once = 0
        self.go = threading.Event()
        self.go.set()
        self._at_once = 0
        self._lock = threading.Lock()

    def __call__(self, items: Sequence[int]) -> list[int]:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self.batches.append(list(items))
        self.go.wait(10)
        with self._lock:
            self._at_once -= 1
        if 13 in items:
            raise ArithmeticError("13")
        return [2 * item for item in items]


class Queue(BatchQueue[int, int]):
    """With threads of its own, and deadlines in seconds from now."""

    def __init__(self, run, max_batch_size=4, in_flight=1, patience=10.0, limit=10.0, spare=0) -> None:
        super().__init__(run, lambda: ThreadPoolExecutor(1), max_batch_size, in_flight, limit, spare)
        self.patience = patience

    async def ask(self, item: int):
        return await self.submit(item, time.perf_counter() + self.patience)


async def gather_behind_a_running_batch(queue, run, items):
    """Submit 0 alone, then the items while it runs; return the outcomes of the items."""
    run.go.clear()
    first = asyncio.create_task(queue.ask(0))
    await asyncio.sleep(0.05)
    tasks = [asyncio.create_task(queue.ask(item)) for item in items]
    await asyncio.sleep(0.01)
    run.go.set()
    await first
    return await asyncio.gather(*tasks, return_exceptions=True)
