"""The batch queue: while one batch runs, requests gather; when it ends, all that waits goes next.

Greedy on purpose: no timer and no polling, so an idle server adds no delay and a busy one finds its
batch size by itself. Knows nothing of pictures or HTTP.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class QueueFull(Exception):
    """As many items wait as may; nothing was queued."""


class QueueTimeout(Exception):
    """The item waited past its deadline and was dropped before it cost anything."""


@dataclass(frozen=True)
class Served(Generic[Answer]):
    """An answer and what it took: seconds in the queue, seconds of its batch, items in that batch."""

    answer: Answer
    queued: float
    ran: float
    batch_size: int


@dataclass(frozen=True)
class _Waiting(Generic[Item, Answer]):
    item: Item
    future: asyncio.Future[Served[Answer]]
    since: float


class BatchQueue(Generic[Item, Answer]):
    """Runs `run` on up to `max_batch_size` waiting items at a time, first come first served.

    run: called in `executor`, one batch at a time; must return one answer per item, in order.
    limit: items that may wait. deadline: seconds an item may wait.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Answer]],
        executor: Executor,
        max_batch_size: int,
        limit: int,
        deadline: float,
    ) -> None:
        self._run = run
        self._executor = executor
        self._max_batch_size = max_batch_size
        self._limit = limit
        self._deadline = deadline
        self._waiting: deque[_Waiting[Item, Answer]] = deque()
        self._worker: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Items that wait; those in the running batch do not count."""
        return len(self._waiting)

    async def submit(self, item: Item) -> Served[Answer]:
        """Wait for the item's turn and its answer.

        Raises QueueFull, QueueTimeout, or what `run` raised for the item's batch.
        """
        if len(self._waiting) >= self._limit:
            raise QueueFull(f"{self._limit} items wait already")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Served[Answer]] = loop.create_future()
        self._waiting.append(_Waiting(item, future, time.perf_counter()))
        if self._worker is None:
            # Kept in an attribute: the event loop itself holds tasks only weakly.
            self._worker = loop.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while batch := self._next_batch():
                await self._run_batch(batch)
        finally:
            self._worker = None

    def _next_batch(self) -> list[_Waiting[Item, Answer]]:
        """The oldest waiting items whose client is still there and whose deadline has not passed."""
        batch: list[_Waiting[Item, Answer]] = []
        now = time.perf_counter()
        while self._waiting and len(batch) < self._max_batch_size:
            waiting = self._waiting.popleft()
            if waiting.future.done():
                continue
            if now - waiting.since > self._deadline:
                waiting.future.set_exception(QueueTimeout(f"waited {now - waiting.since:.1f} s"))
                continue
            batch.append(waiting)
        return batch

    async def _run_batch(self, batch: list[_Waiting[Item, Answer]]) -> None:
        started = time.perf_counter()
        items = [waiting.item for waiting in batch]
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._executor, self._run, items)
            if len(answers) != len(items):
                raise RuntimeError(
                    f"{self._run!r} returned {len(answers)} answers for {len(items)} items;"
                    " it must return one for each, in order"
                )
        except Exception as error:
            for waiting in batch:
                if not waiting.future.done():
                    waiting.future.set_exception(error)
            return
        ran = time.perf_counter() - started
        for waiting, answer in zip(batch, answers, strict=True):
            if not waiting.future.done():
                queued = started - waiting.since
                waiting.future.set_result(Served(answer, queued, ran, len(batch)))
