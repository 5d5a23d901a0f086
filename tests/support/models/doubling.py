"""A batch queue around a model that doubles numbers."""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from service.inference.queues.batch_queue import BatchQueue
from tests.support.waiting import WITHIN_S, reached


class Doubler:
    """Returns 2 n for n, and fails on 13.

    Attributes:
        batches: The items of each batch, in the order of their starts.
        most_at_once: How many batches ran at the same time, at most.
        go: Cleared, it holds up every batch.
    """

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
        self.go.wait(WITHIN_S)
        with self._lock:
            self._at_once -= 1
        if 13 in items:
            raise ArithmeticError("13")
        return [2 * item for item in items]


class Queue(BatchQueue[int, int]):
    """With threads of its own and more time than a test needs, but where it says so."""

    def __init__(self, run, max_batch_size=4, in_flight=1, spare=0) -> None:
        super().__init__(run, lambda: ThreadPoolExecutor(1), max_batch_size, in_flight, WITHIN_S, spare)

    async def ask(self, item: int, patience=WITHIN_S, timeout=WITHIN_S):
        """Submit one item.

        Args:
            item: What is to be doubled.
            patience: Seconds that it may wait for its batch.
            timeout: Seconds that a batch which starts from now on may run.
        """
        self._batch_timeout = timeout
        return await self.submit(item, time.perf_counter() + patience)


async def gather_behind_a_running_batch(queue, run, items, **options):
    """Submit 0 alone, then the items while it runs; return the outcomes of the items."""
    run.go.clear()
    started = len(run.batches)
    first = asyncio.create_task(queue.ask(0))
    await reached(lambda: len(run.batches) > started)
    tasks = [asyncio.create_task(queue.ask(item, **options)) for item in items]
    await asyncio.sleep(0)  # all are submitted
    run.go.set()
    await first
    return await asyncio.gather(*tasks, return_exceptions=True)
