"""Lanes: the waiting items of several models, which share a thread or a pool fairly by the time they use.

Each model has a lane, and the lane that has used the least time goes next. A lane that was idle starts level
with the least used of the busy ones: idle time earns no credit (docs/decisions/0012).
Source: start-time fair queueing (Goyal, Vin, Cheng, 1996), with measured instead of announced costs.
"""

import time
import traceback
from asyncio import Future, get_running_loop
from collections import deque
from collections.abc import Callable
from typing import Generic, Protocol

from service.inference.queues.queued import Completed, Item, QueuedItem, Result


class Scheduler(Protocol):
    """What runs the items of lanes."""

    def dispatch_soon(self) -> None:
        """Items wait: run them as soon as there is a thread for them."""

    @property
    def lanes(self) -> "Lanes":
        """All lanes that it serves."""


class Lane(Generic[Item, Result]):
    """The waiting items of one model.

    Attributes:
        waiting: Items whose turn has not come, oldest first.
        used_s: Seconds of work, measured; raised to those of the busy lanes when the lane was idle.
        item_s: Seconds of work per item lately; 0 before the first.
        work: Called on the items of one turn; returns a result or an exception for each, in order.
    """

    def __init__(self, scheduler: Scheduler, work: Callable[[list[Item]], list[Result | Exception]]) -> None:
        self.waiting: deque[QueuedItem[Item, Result]] = deque()
        self.used_s = 0.0
        self.item_s = 0.0
        self.work = work
        self._scheduler = scheduler

    def run(self, item: Item, deadline: float) -> Future[Completed[Result]]:
        """Wait for the item's turn and its result.

        Args:
            item: An input of `work`.
            deadline: In seconds of time.perf_counter(); an item that still waits then is dropped.

        Returns:
            The future result; it fails with QueueTimeout where the item waited past its deadline, and with
            the exception that `work` returned for the item.
        """
        future: Future[Completed[Result]] = get_running_loop().create_future()
        if not self.waiting:
            self._scheduler.lanes.wake(self)
        self.waiting.append(QueuedItem(item, future, time.perf_counter(), deadline))
        self._scheduler.dispatch_soon()
        return future

    def close(self) -> None:
        """Remove the lane from its scheduler; nothing may be run afterwards."""
        self._scheduler.lanes.remove(self)

    def take(self, limit: int) -> list[QueuedItem[Item, Result]]:
        """Up to `limit` of the oldest items that are still wanted."""
        taken: list[QueuedItem[Item, Result]] = []
        while self.waiting and len(taken) < limit:
            queued = self.waiting.popleft()
            if queued.claim():
                taken.append(queued)
        return taken


class Lanes:
    """The lanes of one scheduler."""

    def __init__(self) -> None:
        self._lanes: list[Lane[object, object]] = []

    def add(self, lane: Lane[Item, Result]) -> Lane[Item, Result]:
        """Serve one more lane."""
        self._lanes.append(lane)  # type: ignore[arg-type]  # lanes of any item and result share
        return lane

    def remove(self, lane: Lane[Item, Result]) -> None:
        """Serve the lane no longer."""
        self._lanes.remove(lane)  # type: ignore[arg-type]

    def wake(self, lane: Lane[Item, Result]) -> None:
        """Level an idle lane with the busy ones, before it gets work."""
        busy = [other.used_s for other in self._lanes if other.waiting]
        if busy:
            lane.used_s = max(lane.used_s, min(busy))

    def next(self) -> Lane[object, object] | None:
        """The lane whose turn it is; None where nothing waits."""
        ready = [lane for lane in self._lanes if lane.waiting]
        return min(ready, key=lambda lane: lane.used_s, default=None)


def each(work: Callable[[Item], Result]) -> Callable[[list[Item]], list[Result | Exception]]:
    """What `work` returns or raises for each item, in order: a bad picture fails alone."""

    def work_each(items: list[Item]) -> list[Result | Exception]:
        results: list[Result | Exception] = []
        for item in items:
            try:
                results.append(work(item))
            except Exception as error:
                _clear_frames(error)
                results.append(error)
        return results

    return work_each


def _clear_frames(error: BaseException | None) -> None:
    """Drop the locals of an error's frames: the picture among them would live as long as the error."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__
