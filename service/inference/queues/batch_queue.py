"""The batch queue: while a batch runs, requests gather; when it ends, all that waits goes next.

Greedy on purpose: no timer and no polling, so an idle server adds no delay and a busy one finds its
batch size by itself (docs/decisions/0004). Knows nothing of pictures or HTTP.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from functools import partial
from typing import Generic

from service.inference.queues.queued import Completed, Item, QueuedItem, Result, run_group, settle

EXPIRY_DELAY_S = 0.01
"""How long after a deadline its item is dropped: clocks differ by less."""


class BatchTimeout(Exception):
    """The item's batch ran longer than a batch may; it may still end, or never."""


@dataclass(slots=True)
class RunningBatch(Generic[Item, Result]):
    """A batch while it runs.

    Attributes:
        executor: Where it runs.
        items: What it holds, in order.
        started: When it started, in seconds of time.perf_counter().
        is_replaced: Another executor took the slot of this one, as the batch ran for too long.
        timer: Fires when the batch has run for too long.
    """

    executor: Executor
    items: list[QueuedItem[Item, Result]]
    started: float
    is_replaced: bool = False
    timer: asyncio.TimerHandle = field(init=False)


class BatchQueue(Generic[Item, Result]):
    """Runs `run` on up to `max_batch_size` waiting items at a time, first come first served.

    Args:
        run: Must return one result per item, in order. An exception among them is raised for its item.
        new_executor: Makes an executor of one thread, in which `run` is called. One executor per batch in
            flight: a shared pool starts a spare thread while another is still returning, and each
            thread costs memory.
        max_batch_size: Items in one batch, at most.
        max_in_flight: Batches that run at once.
        batch_timeout: Seconds that one batch may run; then its items fail and a new executor takes its slot.
        max_hung: Batches that may be replaced so at one time; beyond it a hung batch keeps its slot.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Result | Exception]],
        new_executor: Callable[[], Executor],
        max_batch_size: int,
        max_in_flight: int = 1,
        batch_timeout: float = 3600,
        max_hung: int = 0,
    ) -> None:
        self._run = run
        self._new_executor = new_executor
        self._max_batch_size = max_batch_size
        self._batch_timeout = batch_timeout
        self._idle = [new_executor() for _ in range(max_in_flight)]
        self._replacements_left = max_hung
        self._waiting: deque[QueuedItem[Item, Result]] = deque()
        self._start_is_due = self._is_closed = False
        self._expiry: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """Items that wait; those in a running batch do not count."""
        return len(self._waiting)

    async def submit(self, item: Item, deadline: float, alone: bool = False) -> Completed[Result]:
        """Wait for the item's turn and its result.

        Args:
            item: The input of `run`.
            deadline: In seconds of time.perf_counter(). An item that still waits then is dropped; one
                whose batch has started is waited for.
            alone: Whether it gets a batch of its own, so that no other item can make it fail.

        Raises:
            QueueTimeout: The item waited past its deadline.
            BatchTimeout: Its batch ran for too long.
            Exception: What `run` raised for the item or its batch.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Completed[Result]] = loop.create_future()
        self._waiting.append(QueuedItem(item, future, time.perf_counter(), deadline, alone))
        if self._idle and not self._start_is_due:
            # At the end of this turn of the event loop: what arrives within it shares the batch.
            self._start_is_due = True
            loop.call_soon(self._start_batches)
        elif self._expiry is None:
            self._expiry = loop.call_later(deadline - time.perf_counter() + EXPIRY_DELAY_S, self._expire)
        return await future

    def close(self) -> None:
        """End the threads as soon as their batches have; nothing may be submitted afterwards."""
        self._is_closed = True
        if self._expiry is not None:
            self._expiry.cancel()
        for executor in self._idle:
            executor.shutdown(wait=False)

    def _expire(self) -> None:
        """Fail the items whose deadline passed in the queue; where every batch hangs, none is claimed."""
        self._expiry = None
        now = time.perf_counter()
        while self._waiting and (self._waiting[0].future.done() or now > self._waiting[0].deadline):
            self._waiting.popleft().claim()
        if self._waiting:
            # One timer for the whole queue: the oldest item is the first to expire.
            delay = self._waiting[0].deadline - now + EXPIRY_DELAY_S
            self._expiry = asyncio.get_running_loop().call_later(delay, self._expire)

    def _start_batches(self) -> None:
        self._start_is_due = False
        while self._idle and (batch := self._next_batch()):
            self._start(self._idle.pop(), batch)

    def _next_batch(self) -> list[QueuedItem[Item, Result]]:
        """The oldest waiting items that are still wanted."""
        batch: list[QueuedItem[Item, Result]] = []
        while self._waiting and len(batch) < self._max_batch_size:
            if batch and self._waiting[0].is_alone:
                break
            queued = self._waiting.popleft()
            if queued.claim():
                batch.append(queued)
                if queued.is_alone:
                    break
        return batch

    def _start(self, executor: Executor, items: list[QueuedItem[Item, Result]]) -> None:
        batch = RunningBatch(executor, items, time.perf_counter())
        batch.timer = asyncio.get_running_loop().call_later(self._batch_timeout, self._time_out, batch)
        run_group(executor, self._run_checked, items, partial(self._finish, batch))

    def _run_checked(self, items: list[Item]) -> Sequence[Result | Exception]:
        results = self._run(items)
        if len(results) != len(items):
            raise RuntimeError(
                f"{self._run!r} returned {len(results)} results for {len(items)} items;"
                " it must return one for each, in order"
            )
        return results

    def _time_out(self, batch: RunningBatch[Item, Result]) -> None:
        """Fail the items of a batch; its thread cannot be stopped, but its slot can be reused."""
        for queued in batch.items:
            if not queued.future.done():
                queued.future.set_exception(BatchTimeout(f"ran longer than {self._batch_timeout:g} s"))
        if self._replacements_left:
            self._replacements_left -= 1
            self._idle.append(self._new_executor())
            batch.is_replaced = True
            self._start_batches()

    def _finish(
        self, batch: RunningBatch[Item, Result], done: Future[Sequence[Result | BaseException]]
    ) -> None:
        batch.timer.cancel()
        if batch.is_replaced:
            self._replacements_left += 1
        else:
            self._idle.append(batch.executor)
        if batch.is_replaced or self._is_closed:
            batch.executor.shutdown(wait=False)
        settle(batch.items, done, batch.started)
        self._start_batches()
