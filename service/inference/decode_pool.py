"""The fair pool: threads that several models share, none of which may starve the others.

The rule: each model has a lane, and the lane that has used the least thread time goes next. A lane
that was idle starts level with the least used of the busy ones: it can save no credit. Knows nothing
of pictures.
Source: start-time fair queueing (Goyal, Vin, Cheng, 1996), with measured instead of announced costs.
"""

import asyncio
import time
import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from service.inference.batch_queue import Completed, QueuedItem

Result = TypeVar("Result")

SMALL = 64 * 2**10
"""Bytes up to which an item is small: its work is half Python, and threads that do it hand the
interpreter's lock to and fro."""

CHUNK_ITEMS = 16
CHUNK_BYTES = SMALL
"""What one thread takes at once at most: enough to make the hop between threads cheap (docs/log.md),
little enough that no small picture waits behind a large one in the same chunk."""


class Lane(Generic[Result]):
    """One model's place in the pool. Its items are bytes; `work` is called on each, in a thread."""

    def __init__(self, pool: "DecodePool", work: Callable[[bytes], Result]) -> None:
        self.waiting: deque[QueuedItem[bytes, Result]] = deque()
        self.used = 0.0
        """Thread seconds, measured; raised when the lane was idle."""
        self.work = work
        self._pool = pool

    async def run(self, item: bytes, deadline: float) -> Completed[Result]:
        """Wait for the item's turn and its result.

        deadline: in seconds of time.perf_counter(); an item that waits longer is dropped.
        Raises QueueTimeout, or what `work` raised for the item.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Completed[Result]] = loop.create_future()
        if not self.waiting:
            self._pool.wake(self)
        self.waiting.append(QueuedItem(item, future, time.perf_counter(), deadline))
        self._pool.dispatch_soon()
        return await future

    def close(self) -> None:
        """Nothing will be run any more: the pool forgets the lane."""
        self._pool.remove(self)

    @property
    def is_small(self) -> bool:
        """Whether the item whose turn is next is."""
        return len(self.waiting[0].item) <= SMALL

    def next_chunk(self, share: int) -> list[QueuedItem[bytes, Result]]:
        """Up to `share` of the oldest items that somebody still wants, bounded by CHUNK_*."""
        chunk: list[QueuedItem[bytes, Result]] = []
        size = 0
        while self.waiting and len(chunk) < min(share, CHUNK_ITEMS):
            size += len(self.waiting[0].item)
            if chunk and size > CHUNK_BYTES:
                break
            waiting = self.waiting.popleft()
            if waiting.is_live:
                chunk.append(waiting)
        return chunk


class DecodePool:
    """Threads and the lanes that share them. Lives on one event loop.

    Small items take all threads but one, where there are more: on two cores one thread decodes a tenth more
    digits per second than two (docs/log.md). Large ones, which decode without the lock, take all.
    """

    def __init__(self, threads: int) -> None:
        self._free = threads
        self._free_for_small = max(threads - 1, 1)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self._lanes: list[Lane[object]] = []
        self._will_dispatch = False

    def lane(self, work: Callable[[bytes], Result]) -> Lane[Result]:
        lane = Lane(self, work)
        self._lanes.append(lane)  # type: ignore[arg-type]  # whatever it returns
        return lane

    def remove(self, lane: Lane[Result]) -> None:
        self._lanes.remove(lane)  # type: ignore[arg-type]

    def wake(self, lane: Lane[Result]) -> None:
        """The lane was idle and is about to have work."""
        busy = [other.used for other in self._lanes if other.waiting]
        if busy:
            lane.used = max(lane.used, min(busy))

    def dispatch_soon(self) -> None:
        if self._free and not self._will_dispatch:
            # At the end of this turn of the event loop: what arrives within it shares the chunks.
            self._will_dispatch = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._will_dispatch = False
        while self._free:
            ready = [
                lane for lane in self._lanes if lane.waiting and (self._free_for_small or not lane.is_small)
            ]
            if not ready:
                return
            lane = min(ready, key=lambda lane: lane.used)
            small = lane.is_small
            # All free threads get their part of a burst.
            free = min(self._free, self._free_for_small) if small else self._free
            chunk = lane.next_chunk(-(-len(lane.waiting) // free))
            if chunk:
                self._take(small, -1)
                self._begin(lane, chunk, small)

    def _take(self, small: bool, change: int) -> None:
        self._free += change
        if small:
            self._free_for_small += change

    def _begin(self, lane: Lane[object], chunk: list[QueuedItem[bytes, object]], small: bool) -> None:
        loop = asyncio.get_running_loop()
        started = time.perf_counter()
        try:
            running = self._executor.submit(_results, lane.work, [waiting.item for waiting in chunk])
        except RuntimeError as error:
            # No thread can be started; who waits must hear of it.
            running = Future()
            running.set_result([MemoryError(str(error)) for _ in chunk])
        running.add_done_callback(
            lambda done: loop.call_soon_threadsafe(self._end, lane, chunk, small, started, done)
        )

    def _end(
        self,
        lane: Lane[object],
        chunk: list[QueuedItem[bytes, object]],
        small: bool,
        started: float,
        done: Future[list[object]],
    ) -> None:
        self._take(small, 1)
        ran = time.perf_counter() - started
        lane.used += ran
        for waiting, result in zip(chunk, done.result(), strict=True):
            if waiting.future.done():
                continue
            if isinstance(result, Exception):
                waiting.future.set_exception(result)
            else:
                waiting.future.set_result(Completed(result, started - waiting.since, ran, len(chunk)))
        self._dispatch()


def _results(work: Callable[[bytes], object], items: list[bytes]) -> list[object]:
    """What `work` returned or raised for each item: one bad picture spoils only itself."""
    results: list[object] = []
    for item in items:
        try:
            results.append(work(item))
        except Exception as error:
            _clear_frames(error)
            results.append(error)
    return results


def _clear_frames(error: BaseException | None) -> None:
    """Of the picture that the frames of an error hold: it would stay in memory for as long as the error."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
