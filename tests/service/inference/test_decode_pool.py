"""The fair pool: every model gets its turn, measured in time, and one bad item spoils only itself."""

import asyncio
import threading
import time
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from service.inference.decode_pool import MAX_CHUNK_BYTES, MAX_CHUNK_ITEMS, SMALL_ITEM_BYTES, DecodePool
from service.inference.queued import QueueTimeout

PATIENCE = 10.0
LARGE = bytes(SMALL_ITEM_BYTES + 1)


def soon() -> float:
    return time.perf_counter() + PATIENCE


def sleeper(seconds, done, name):
    """Work that takes its time and notes who was done when."""

    def work(item: bytes) -> bytes:
        time.sleep(seconds)
        done.append(name)
        return item

    return work


def test_a_flood_of_one_model_does_not_starve_another():
    """Fifty slow items of one lane are there first; the few quick ones of the other are not behind them."""
    done: list[str] = []

    async def scenario():
        pool = DecodePool(1)
        slow, quick = pool.lane(sleeper(0.01, done, "slow")), pool.lane(sleeper(0.001, done, "quick"))
        photos = [asyncio.create_task(slow.run(bytes(MAX_CHUNK_BYTES), soon())) for _ in range(50)]
        await asyncio.sleep(0.05)
        await asyncio.gather(*(quick.run(b"x", soon()) for _ in range(5)))
        before = done.count("slow")
        await asyncio.gather(*photos)
        return before

    # Five were done when the quick ones came, one was running, and one may have had its turn.
    assert asyncio.run(scenario()) <= 10


def test_busy_lanes_get_equal_time_not_equal_numbers():
    done: list[str] = []

    async def scenario():
        pool = DecodePool(1)
        slow, quick = pool.lane(sleeper(0.008, done, "slow")), pool.lane(sleeper(0.002, done, "quick"))
        tasks = []
        for _ in range(60):  # large items: one to a chunk
            tasks.append(asyncio.create_task(slow.run(bytes(MAX_CHUNK_BYTES), soon())))
            tasks.append(asyncio.create_task(quick.run(bytes(MAX_CHUNK_BYTES), soon())))
        await asyncio.sleep(0.4)
        seen = done.copy()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return seen

    seen = asyncio.run(scenario())
    assert 0.4 < seen.count("slow") * 0.008 / (seen.count("quick") * 0.002) < 2.5


def test_a_lane_that_was_idle_has_saved_no_credit():
    done: list[str] = []

    async def scenario():
        pool = DecodePool(1)
        old, new = pool.lane(sleeper(0.002, done, "old")), pool.lane(sleeper(0.002, done, "new"))
        for _ in range(40):
            await old.run(b"x", soon())
        tasks = [asyncio.create_task(old.run(bytes(MAX_CHUNK_BYTES), soon())) for _ in range(20)]
        await asyncio.sleep(0)
        done.clear()
        tasks += [asyncio.create_task(new.run(bytes(MAX_CHUNK_BYTES), soon())) for _ in range(20)]
        await asyncio.gather(*tasks)

    asyncio.run(scenario())
    # They alternate: with 40 turns of credit all of the new ones would come first.
    assert 5 <= done[:20].count("old") <= 15


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


def test_large_items_of_a_burst_are_shared_by_all_threads():
    threads: set[int] = set()
    meet = threading.Barrier(2)

    def work(item: bytes) -> None:
        if threading.get_ident() not in threads:
            threads.add(threading.get_ident())
            meet.wait(5)

    async def scenario():
        lane = DecodePool(2).lane(work)
        await asyncio.gather(*(lane.run(LARGE, soon()) for _ in range(4)))

    asyncio.run(scenario())
    assert len(threads) == 2


def test_small_items_leave_one_thread_to_large_ones():
    """Two small chunks never run at once on two threads; a large item runs beside one."""
    running: list[str] = []
    seen: set[tuple[str, ...]] = set()
    lock = threading.Lock()

    def work(item: bytes) -> None:
        kind = "large" if len(item) > SMALL_ITEM_BYTES else "small"
        with lock:
            running.append(kind)
            seen.add(tuple(sorted(running)))
        time.sleep(0.005)
        with lock:
            running.remove(kind)

    async def scenario():
        pool = DecodePool(2)
        digits, photos = pool.lane(work), pool.lane(work)
        await asyncio.gather(
            *(digits.run(b"x", soon()) for _ in range(40)), *(photos.run(LARGE, soon()) for _ in range(10))
        )

    asyncio.run(scenario())
    assert ("small", "small") not in seen
    assert ("large", "small") in seen


def test_who_has_gone_or_waited_too_long_costs_nothing():
    done: list[bytes] = []

    async def scenario():
        lane = DecodePool(1).lane(lambda item: (time.sleep(0.05), done.append(item)))
        first = asyncio.create_task(lane.run(bytes(MAX_CHUNK_BYTES), soon()))
        await asyncio.sleep(0.01)
        gone = asyncio.create_task(lane.run(b"gone", soon()))
        late = asyncio.create_task(lane.run(b"late", time.perf_counter() + 0.01))
        await asyncio.sleep(0)
        gone.cancel()
        await first
        with pytest.raises(QueueTimeout):
            await late

    asyncio.run(scenario())
    assert len(done) == 1


@settings(max_examples=60, deadline=None)
@given(
    items=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 2 * MAX_CHUNK_BYTES)), max_size=60),
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
            assert 1 <= one.group_size <= MAX_CHUNK_ITEMS

    asyncio.run(scenario())
    assert sorted(done) == sorted((lane, place) for place, (lane, _) in enumerate(items))
    if threads == 1:
        for number in range(3):
            places = [place for lane, place in done if lane == number]
            assert places == sorted(places)
