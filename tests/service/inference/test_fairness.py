"""The decode pool and the loop queue are shared fairly: each model gets its turn, measured in time.

Every item takes longer than a chunk of the loop queue may, so it is alone in its chunk.
"""

import asyncio
import time

import pytest

from service.inference.queues.decode_pool import DecodePool
from service.inference.queues.lanes import each
from service.inference.queues.loop_queue import LoopQueue
from tests.support.waiting import WITHIN_S, reached


def soon() -> float:
    return time.perf_counter() + WITHIN_S


@pytest.fixture(params=[lambda: DecodePool(1), LoopQueue], ids=["pool", "loop"])
def new_pool(request):
    """Makes a pool of one thread, or the queue of the event loop."""
    return request.param


def lane_of(pool, work):
    return pool.lane(each(work) if isinstance(pool, LoopQueue) else work)


def worker(clock, seconds, done, name):
    """Work that takes its time by the clock, and notes its name when it is done."""

    def work(item: bytes) -> bytes:
        clock[0] += seconds
        done.append(name)
        return item

    return work


def test_a_flood_of_one_model_does_not_starve_another(clock, new_pool):
    """Fifty slow items of one lane are there first; the few quick ones of the other are not behind them."""
    done: list[str] = []

    async def scenario():
        pool = new_pool()
        slow, quick = (
            lane_of(pool, worker(clock, 0.1, done, "slow")),
            lane_of(pool, worker(clock, 0.01, done, "quick")),
        )
        photos = [slow.run(b"x", soon()) for _ in range(50)]
        await reached(lambda: len(done) >= 5)
        before = done.count("slow")
        await asyncio.gather(*(quick.run(b"x", soon()) for _ in range(5)))
        between = done[: done.index("quick")].count("slow") - before
        await asyncio.gather(*photos)
        return between

    # One was running, and one may have had its turn.
    assert asyncio.run(scenario()) <= 2


def test_busy_lanes_get_equal_time_not_equal_numbers(clock, new_pool):
    done: list[str] = []

    async def scenario():
        pool = new_pool()
        slow, quick = (
            lane_of(pool, worker(clock, 0.08, done, "slow")),
            lane_of(pool, worker(clock, 0.02, done, "quick")),
        )
        tasks = []
        for _ in range(60):
            tasks.append(slow.run(b"x", soon()))
            tasks.append(quick.run(b"x", soon()))
        await asyncio.gather(*tasks)

    asyncio.run(scenario())
    first = done[:50]
    assert first.count("quick") == pytest.approx(4 * first.count("slow"), abs=4)


def test_an_idle_lane_saves_no_credit(clock, new_pool):
    done: list[str] = []

    async def scenario():
        pool = new_pool()
        old, new = (
            lane_of(pool, worker(clock, 0.02, done, "old")),
            lane_of(pool, worker(clock, 0.02, done, "new")),
        )
        for _ in range(40):
            await old.run(b"x", soon())
        done.clear()
        tasks = [old.run(b"x", soon()) for _ in range(20)]
        await asyncio.sleep(0)  # they are there first
        tasks += [new.run(b"x", soon()) for _ in range(20)]
        await asyncio.gather(*tasks)

    asyncio.run(scenario())
    # They alternate: with 40 turns of credit all of the new ones would come first.
    assert 9 <= done[:20].count("old") <= 11
