"""The loop queue: chunks on the event loop's own thread, which reads its sockets in between."""

import asyncio
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.inference.queues.loop_queue import MAX_CHUNK_ITEMS, MAX_CHUNK_S, LoopQueue
from service.inference.queues.queued import QueueTimeout
from tests.support.waiting import WITHIN_S


def soon() -> float:
    return time.perf_counter() + WITHIN_S


def test_work_runs_on_the_thread_of_the_loop():
    threads = set()

    def work(items):
        threads.add(threading.get_ident())
        return items

    async def scenario():
        lane = LoopQueue().lane(work)
        await asyncio.gather(*(lane.run(b"x", soon()) for _ in range(40)))

    asyncio.run(scenario())
    assert threads == {threading.get_ident()}


def test_a_chunk_is_as_large_as_its_time_allows(clock):
    """A quarter of a turn each: four at once, from when that is known."""
    chunks: list[int] = []

    def work(items):
        chunks.append(len(items))
        clock[0] += len(items) * MAX_CHUNK_S / 4.001
        return items

    async def scenario():
        lane = LoopQueue().lane(work)
        await asyncio.gather(*(lane.run(b"x", soon()) for _ in range(21)))

    asyncio.run(scenario())
    assert chunks == [1, 4, 4, 4, 4, 4]


def test_the_loop_goes_on_between_two_chunks():
    """A callback that was due when the work began runs after the first chunk, not after the last."""
    done: list[bytes] = []
    seen: list[int] = []

    def work(items):
        done.extend(items)
        time.sleep(MAX_CHUNK_S / 2)
        return items

    async def scenario():
        lane = LoopQueue().lane(work)
        futures = [lane.run(b"x", soon()) for _ in range(20)]
        asyncio.get_running_loop().call_later(0, lambda: seen.append(len(done)))
        await asyncio.gather(*futures)

    asyncio.run(scenario())
    assert seen[0] < 20


def test_what_fails_fails_for_its_items_and_the_queue_goes_on():
    def work(items):
        if b"fatal" in items:
            raise ArithmeticError
        return [ValueError(item) if item == b"bad" else item for item in items]

    async def scenario():
        lane = LoopQueue().lane(work)
        alone = await asyncio.gather(lane.run(b"fatal", soon()), return_exceptions=True)
        rest = [lane.run(item, soon()) for item in (b"good", b"bad", b"good")]
        return alone + await asyncio.gather(*rest, return_exceptions=True)

    fatal, good, bad, last = asyncio.run(scenario())
    assert isinstance(fatal, ArithmeticError)
    assert isinstance(bad, ValueError)
    assert (good.result, last.result) == (b"good", b"good")


def test_cancelled_and_late_items_cost_nothing():
    done: list[bytes] = []

    def work(items):
        done.extend(items)
        return items

    async def scenario():
        lane = LoopQueue().lane(work)
        gone, late = lane.run(b"gone", soon()), lane.run(b"late", time.perf_counter() - 1)
        gone.cancel()
        await lane.run(b"last", soon())
        with pytest.raises(QueueTimeout):
            await late

    asyncio.run(scenario())
    assert done == [b"last"]


@settings(max_examples=60)
@given(items=st.lists(st.integers(0, 2), max_size=80))
def test_every_item_is_done_once_in_the_order_of_its_lane(items):
    done: list[tuple[int, int]] = []

    async def scenario():
        queue = LoopQueue()

        def work(number):
            def note(chunk):
                assert 1 <= len(chunk) <= MAX_CHUNK_ITEMS
                done.extend((number, place) for place in chunk)
                return [2 * place for place in chunk]

            return note

        lanes = [queue.lane(work(number)) for number in range(3)]
        results = await asyncio.gather(*(lanes[lane].run(place, soon()) for place, lane in enumerate(items)))
        assert [one.result for one in results] == [2 * place for place in range(len(items))]

    asyncio.run(scenario())
    assert sorted(done) == sorted((lane, place) for place, lane in enumerate(items))
    for number in range(3):
        places = [place for lane, place in done if lane == number]
        assert places == sorted(places)
