"""The batch queue: while a batch runs, requests gather; when it ends, all that waits goes next.

Greedy on purpose: no timer and no polling, so an idle server adds no delay and a busy one finds its
batch size by itself. Knows nothing of pictures or HTTP.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class QueueTimeout(Exception):
    """The item waited past its deadline and was dropped before it cost anything."""


class BatchTimeout(Exception):
    """The item's batch ran longer than a batch may; whether it ever ends nobody can know."""


@dataclass(frozen=True, slots=True)
class Completed(Generic[Answer]):
    """An answer and what it took: seconds in the queue, seconds of its batch, items in that batch."""

    answer: Answer
    queued: float
    ran: float
    batch_size: int


@dataclass(frozen=True, slots=True)
class QueuedItem(Generic[Item, Answer]):
    """since, deadline: seconds of time.perf_counter()."""

    item: Item
    future: asyncio.Future[Completed[Answer]]
    since: float
    deadline: float

    @property
    def is_live(self) -> bool:
        """False once its client has gone, or its deadline: who waits for it is told."""
        if self.future.done():
            return False
        now = time.perf_counter()
        if now > self.deadline:
            self.future.set_exception(QueueTimeout(f"waited {now - self.since:.1f} s"))
            return False
        return True


@dataclass(slots=True)
class RunningBatch(Generic[Item, Answer]):
    """A batch, since `started`. timer: when patience with it ends. replaced: another runs in its place."""

    place: Executor
    batch: list[QueuedItem[Item, Answer]]
    started: float
    replaced: bool = False
    timer: asyncio.TimerHandle = field(init=False)


class BatchQueue(Generic[Item, Answer]):
    """Runs `run` on up to `max_batch_size` waiting items at a time, first come first served.

    run: must return one answer per item, in order. An answer that is an Exception is raised for its item.
    new_place: makes an executor of one thread, in which `run` is called. One that all batches shared would
    start a thread more than are at work whenever one has not quite come back, and each costs memory.
    in_flight: batches, and places, at once. limit: seconds that one may run; then its items fail, and
    another place is made in its stead, as long as fewer than `spare` were.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Answer | Exception]],
        new_place: Callable[[], Executor],
        max_batch_size: int,
        in_flight: int = 1,
        limit: float = 3600,
        spare: int = 0,
    ) -> None:
        self._run = run
        self._new_place = new_place
        self._max_batch_size = max_batch_size
        self._limit = limit
        self._free = [new_place() for _ in range(in_flight)]
        self._spare = spare
        self._waiting: deque[QueuedItem[Item, Answer]] = deque()
        self._will_start = self._closed = False

    def __len__(self) -> int:
        """Items that wait; those in a running batch do not count."""
        return len(self._waiting)

    async def submit(self, item: Item, deadline: float) -> Completed[Answer]:
        """Wait for the item's turn and its answer.

        deadline: in seconds of time.perf_counter(); a batch that started before it is waited for.
        Raises QueueTimeout, BatchTimeout, or what `run` raised for the item or its batch.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Completed[Answer]] = loop.create_future()
        self._waiting.append(QueuedItem(item, future, time.perf_counter(), deadline))
        if self._free and not self._will_start:
            # At the end of this turn of the event loop: what arrives within it shares the batch.
            self._will_start = True
            loop.call_soon(self._start)
        return await future

    def close(self) -> None:
        """Nothing will be submitted any more: the threads end once what they run has."""
        self._closed = True
        for place in self._free:
            place.shutdown(wait=False)

    def _start(self) -> None:
        self._will_start = False
        while self._free and (batch := self._next_batch()):
            self._begin(self._free.pop(), batch)

    def _next_batch(self) -> list[QueuedItem[Item, Answer]]:
        """The oldest waiting items that somebody still wants."""
        batch: list[QueuedItem[Item, Answer]] = []
        while self._waiting and len(batch) < self._max_batch_size:
            waiting = self._waiting.popleft()
            if waiting.is_live:
                batch.append(waiting)
        return batch

    def _begin(self, place: Executor, batch: list[QueuedItem[Item, Answer]]) -> None:
        loop = asyncio.get_running_loop()
        running = RunningBatch(place, batch, time.perf_counter())
        running.timer = loop.call_later(self._limit, self._give_up, running)
        try:
            future = place.submit(self._answers, [waiting.item for waiting in batch])
        except RuntimeError as error:
            # No thread can be started; who waits must hear of it.
            future = Future()
            future.set_exception(MemoryError(str(error)))
        future.add_done_callback(lambda done: loop.call_soon_threadsafe(self._end, running, done))

    def _answers(self, items: list[Item]) -> Sequence[Answer | Exception]:
        answers = self._run(items)
        if len(answers) != len(items):
            raise RuntimeError(
                f"{self._run!r} returned {len(answers)} answers for {len(items)} items;"
                " it must return one for each, in order"
            )
        return answers

    def _give_up(self, running: RunningBatch[Item, Answer]) -> None:
        """A thread cannot be stopped; its place can be given to another."""
        for waiting in running.batch:
            if not waiting.future.done():
                waiting.future.set_exception(BatchTimeout(f"ran longer than {self._limit:g} s"))
        if self._spare:
            self._spare -= 1
            self._free.append(self._new_place())
            running.replaced = True
            self._start()

    def _end(self, running: RunningBatch[Item, Answer], done: Future[Sequence[Answer | Exception]]) -> None:
        running.timer.cancel()
        if running.replaced:
            self._spare += 1
        else:
            self._free.append(running.place)
        if running.replaced or self._closed:
            running.place.shutdown(wait=False)
        batch, started = running.batch, running.started
        ran = time.perf_counter() - started
        error = done.exception()
        answers = [error] * len(batch) if error else done.result()
        for waiting, answer in zip(batch, answers, strict=True):
            if waiting.future.done():
                continue
            if isinstance(answer, BaseException):
                waiting.future.set_exception(answer)
            else:
                waiting.future.set_result(Completed(answer, started - waiting.since, ran, len(batch)))
        self._start()
