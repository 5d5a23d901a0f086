"""The decode pool: threads that decode large pictures, one each at a time, for all models fairly.

A large picture decodes for milliseconds, in codecs that release the interpreter's lock: threads pay. Small
pictures do not come here (loop_queue.py).
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

from service.inference.queues.lanes import Lane, Lanes, each
from service.inference.queues.queued import QueuedItem, Result, call_soon_once, run_group, settle


class DecodePool:
    """Threads and the lanes that share them. Lives on one event loop.

    Attributes:
        lanes: Of all models.
    """

    def __init__(self, threads: int) -> None:
        self.lanes = Lanes()
        self._free = threads
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="decode")
        self.dispatch_soon = call_soon_once(self._dispatch)

    def lane(self, work: Callable[[bytes], Result]) -> Lane[bytes, Result]:
        """A new lane, in which `work` is called on each item."""
        return self.lanes.add(Lane(self, each(work)))

    def _dispatch(self) -> None:
        while self._free and (lane := self.lanes.next()):
            group = lane.take(1)
            if group:
                self._free -= 1
                on_done = partial(self._finish, lane, group, time.perf_counter())
                run_group(self._executor, lane.work, group, on_done)

    def _finish(
        self,
        lane: Lane[object, object],
        group: list[QueuedItem[object, object]],
        started: float,
        done: Future[Sequence[object]],
    ) -> None:
        self._free += 1
        lane.used_s += settle(group, done, started)
        self._dispatch()
