"""The decode pool: threads that several models share, fairly by the time they use.

Each model has a lane, and the lane that has used the least thread time goes next. A lane that was idle
starts level with the least used of the busy ones: idle time earns no credit (docs/decisions/0012).
Knows nothing of pictures.
Source: start-time fair queueing (Goyal, Vin, Cheng, 1996), with measured instead of announced costs.
"""

import asyncio
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Generic

from service.inference.queued import Completed, QueuedItem, Result, run_group, settle

SMALL_ITEM_BYTES = 64 * 2**10
"""Bytes up to which an item is small: half of its work is Python, so threads contend for the
interpreter's lock."""

MAX_CHUNK_ITEMS = 16
MAX_CHUNK_BYTES = SMALL_ITEM_BYTES
"""What one thread takes at once, at most: enough to make the hop between threads cheap (docs/log.md),
little enough that no small picture waits behind a large one in the same chunk."""


class Lane(Generic[Result]):
    """One model's queue in the pool: `work` is called on each item, some bytes, in a thread.

    Attributes:
        waiting: Items whose turn has not come, oldest first.
        used_s: Thread seconds, measured; raised to those of the busy lanes when the lane was idle.
    """

    def __init__(self, pool: "DecodePool", work: Callable[[bytes], Result]) -> None:
        self.waiting: deque[QueuedItem[bytes, Result]] = deque()
        self.used_s = 0.0
        self._work = work
        self._pool = pool

    async def run(self, item: bytes, deadline: float) -> Completed[Result]:
        """Wait for the item's turn and its result.

        Args:
            item: The input of `work`.
            deadline: In seconds of time.perf_counter(); an item that still waits then is dropped.

        Raises:
            QueueTimeout: The item waited past its deadline.
            Exception: What `work` raised for the item.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Completed[Result]] = loop.create_future()
        if not self.waiting:
            self._pool.wake(self)
        self.waiting.append(QueuedItem(item, future, time.perf_counter(), deadline))
        self._pool.dispatch_soon()
        return await future

    def close(self) -> None:
        """Remove the lane from the pool; nothing may be run afterwards."""
        self._pool.remove(self)

    def work_each(self, items: list[bytes]) -> list[Result | Exception]:
        """What `work` returned or raised for each item, in order: a bad picture fails alone."""
        results: list[Result | Exception] = []
        for item in items:
            try:
                results.append(self._work(item))
            except Exception as error:
                _clear_frames(error)
                results.append(error)
        return results

    @property
    def is_small(self) -> bool:
        """Whether the next item is small."""
        return len(self.waiting[0].item) <= SMALL_ITEM_BYTES

    def next_chunk(self, limit: int) -> list[QueuedItem[bytes, Result]]:
        """Up to `limit` of the oldest items that are still wanted, within MAX_CHUNK_*."""
        chunk: list[QueuedItem[bytes, Result]] = []
        size = 0
        while self.waiting and len(chunk) < min(limit, MAX_CHUNK_ITEMS):
            size += len(self.waiting[0].item)
            if chunk and size > MAX_CHUNK_BYTES:
                break
            queued = self.waiting.popleft()
            if queued.claim():
                chunk.append(queued)
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
        self._dispatch_is_due = False

    def lane(self, work: Callable[[bytes], Result]) -> Lane[Result]:
        """A new lane, in which `work` is called on each item."""
        lane = Lane(self, work)
        self._lanes.append(lane)  # type: ignore[arg-type]  # the pool takes lanes of any result
        return lane

    def remove(self, lane: Lane[Result]) -> None:
        """Serve the lane no longer; called by Lane.close."""
        self._lanes.remove(lane)  # type: ignore[arg-type]

    def wake(self, lane: Lane[Result]) -> None:
        """Level an idle lane with the busy ones, before it gets work."""
        busy = [other.used_s for other in self._lanes if other.waiting]
        if busy:
            lane.used_s = max(lane.used_s, min(busy))

    def dispatch_soon(self) -> None:
        """Dispatch at the end of this turn of the event loop: what arrives within it shares the chunks."""
        if self._free and not self._dispatch_is_due:
            self._dispatch_is_due = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _dispatch(self) -> None:
        self._dispatch_is_due = False
        while self._free:
            ready = [
                lane for lane in self._lanes if lane.waiting and (self._free_for_small or not lane.is_small)
            ]
            if not ready:
                return
            lane = min(ready, key=lambda lane: lane.used_s)
            small = lane.is_small
            # A burst is spread over all free threads.
            free = min(self._free, self._free_for_small) if small else self._free
            chunk = lane.next_chunk(-(-len(lane.waiting) // free))
            if chunk:
                self._change_free(small, -1)
                on_done = partial(self._finish, lane, chunk, small, time.perf_counter())
                run_group(self._executor, lane.work_each, chunk, on_done)

    def _finish(
        self,
        lane: Lane[object],
        chunk: list[QueuedItem[bytes, object]],
        small: bool,
        started: float,
        done: Future[Sequence[object]],
    ) -> None:
        self._change_free(small, 1)
        lane.used_s += settle(chunk, done, started)
        self._dispatch()

    def _change_free(self, small: bool, change: int) -> None:
        self._free += change
        if small:
            self._free_for_small += change


def _clear_frames(error: BaseException | None) -> None:
    """Drop the locals of an error's frames: the picture among them would live as long as the error."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
