"""The loop queue: small work, run on the event loop's own thread, a chunk in each turn of the loop.

A small picture is answered in a millisecond or two, half of it Python. Handed to a thread, it costs a third
more: the loop and the thread take the interpreter's lock from each other (docs/decisions/0019). Between two
chunks the loop reads and writes its sockets, so MAX_CHUNK_S is also what a probe or a refusal waits.
"""

import time
from collections.abc import Callable

from service.inference.queues.lanes import Lane, Lanes
from service.inference.queues.queued import Item, QueuedItem, Result, call_soon_once, settle_results

MAX_CHUNK_ITEMS = 16
MAX_CHUNK_S = 0.008
"""How long one turn works, by the pace measured before; one item at least."""

PACE_WEIGHT = 0.1
"""Weight of the latest chunk in the measured seconds per item."""


class LoopQueue:
    """Lanes whose work runs on the event loop itself.

    Attributes:
        lanes: Of all models.
    """

    def __init__(self) -> None:
        self.lanes = Lanes()
        self.dispatch_soon = call_soon_once(self._turn)

    def lane(self, work: Callable[[list[Item]], list[Result | Exception]]) -> Lane[Item, Result]:
        """A new lane, in which `work` is called on chunks of items."""
        return self.lanes.add(Lane(self, work))

    def _turn(self) -> None:
        """Run one chunk; another turn follows, after the sockets, while anything waits."""
        lane = self.lanes.next()
        if lane is None:
            return
        fitting = int(MAX_CHUNK_S / lane.item_s) if lane.item_s else 1
        chunk = lane.take(max(min(fitting, MAX_CHUNK_ITEMS), 1))
        if chunk:
            used_s = self._run(lane, chunk)
            item_s = used_s / len(chunk)
            lane.item_s += PACE_WEIGHT * (item_s - lane.item_s) if lane.item_s else item_s
            lane.used_s += used_s
        if self.lanes.next() is not None:
            self.dispatch_soon()

    def _run(self, lane: Lane[object, object], chunk: list[QueuedItem[object, object]]) -> float:
        """Settle every item of a chunk; returns the seconds that it took."""
        started = time.perf_counter()
        results: list[object | BaseException]
        try:
            results = lane.work([queued.item for queued in chunk])
        except Exception as error:
            results = [error] * len(chunk)
        run_s = time.perf_counter() - started
        settle_results(chunk, results, started, run_s)
        return run_s
