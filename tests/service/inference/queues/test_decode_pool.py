"""The decode pool: several items at once, late ones and bad ones."""

import asyncio
import threading
import time
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from service.inference.queues.decode_pool import DecodePool
from service.inference.queues.queued import QueueTimeout
from tests.support.waiting import WITHIN_S


def soon() -> float:
    return time.perf_counter() + WITHIN_S


def test_one_bad_item_spoils_only_itself():
    def work(item: bytes) -> int:
        return 10 // len(item)

    async def scenario():
        lane = DecodePool(1).lane(work)
        return await asyncio.gather(
            *(lane.run(item, soon()) for item in (b"1", b"", b"55555")), return_exceptions=True
        )

    good, bad, also_good = asyncio.run(scenario())
    assert (good.result, also_good.result) == (10, 2)
    assert isinstance(bad, ZeroDivisionError)


def test_an_error_holds_nothing_of_its_item():
    """An error lives on in tasks and logs; what its frames held, hundreds of megabytes, must not."""
    held = []

    def decode():
        picture = Image.new("L", (1, 1))
        held.append(weakref.ref(picture))
        raise OSError("broken")

    def work(item: bytes) -> bytes:
        picture = Image.new("L", (1, 1))
        held.append(weakref.ref(picture))
        try:
            decode()
        except OSError as error:
            raise ValueError("not decoded") from error
        return item

    async def scenario():
        lane = DecodePool(1).lane(work)
        try:
            await lane.run(b"x", soon())
        except ValueError as error:
            return error.__context__, [picture() for picture in held]

    cause, pictures = asyncio.run(scenario())
    assert isinstance(cause, OSError)
    assert pictures == [None, None]


def test_a_burst_is_shared_by_all_threads():
    threads: set[int] = set()
    meet = threading.Barrier(2)

    def work(item: bytes) -> None:
        if threading.get_ident() not in threads:
            threads.add(threading.get_ident())
            meet.wait(WITHIN_S)

    async def scenario():
        lane = DecodePool(2).lane(work)
        await asyncio.gather(*(lane.run(b"x", soon()) for _ in range(4)))

    asyncio.run(scenario())
    assert len(threads) == 2


def test_cancelled_and_late_items_cost_nothing():
    done: list[bytes] = []
    go = threading.Event()

    def work(item: bytes) -> None:
        go.wait(WITHIN_S)
        done.append(item)

    async def scenario():
        lane = DecodePool(1).lane(work)
        first = lane.run(b"first", soon())
        await asyncio.sleep(0)  # it is submitted before the others
        gone = lane.run(b"gone", soon())
        late = lane.run(b"late", time.perf_counter())
        await asyncio.sleep(0)  # both are submitted
        gone.cancel()
        go.set()
        await first
        with pytest.raises(QueueTimeout):
            await late

    asyncio.run(scenario())
    assert done == [b"first"]


@settings(max_examples=60)
@given(
    items=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 2**17)), max_size=60),
    threads=st.integers(1, 3),
)
def test_every_item_is_done_once_in_the_order_of_its_lane(items, threads):
    done: list[tuple[int, int]] = []
    lock = threading.Lock()

    async def scenario():
        pool = DecodePool(threads)

        def work(number):
            def note(item: bytes) -> int:
                with lock:
                    done.append((number, int.from_bytes(item[:4], "big")))
                return len(item)

            return note

        lanes = [pool.lane(work(number)) for number in range(3)]
        bodies = [place.to_bytes(4, "big") + bytes(size) for place, (_, size) in enumerate(items)]
        served = await asyncio.gather(
            *(lanes[lane].run(body, soon()) for (lane, _), body in zip(items, bodies, strict=True))
        )
        for body, one in zip(bodies, served, strict=True):
            assert one.result == len(body)
            assert one.group_size == 1

    asyncio.run(scenario())
    assert sorted(done) == sorted((lane, place) for place, (lane, _) in enumerate(items))
    if threads == 1:
        for number in range(3):
            places = [place for lane, place in done if lane == number]
            assert places == sorted(places)
