"""Many at once, in order, with bounded memory."""

import asyncio

import pytest

from service.client.ordered import AHEAD, map_in_order


def test_results_are_in_order_whatever_is_done_first():
    async def work(item):
        await asyncio.sleep(0.01 if item % 3 == 0 else 0)
        return item

    async def scenario():
        return [result async for result in map_in_order(work, range(50), 4)]

    assert asyncio.run(scenario()) == list(range(50))


def test_no_more_than_jobs_run_and_few_are_taken_ahead():
    taken, running, most = 0, 0, 0

    def items():
        nonlocal taken
        for item in range(1000):
            taken += 1
            yield item

    async def work(item):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return item

    async def scenario():
        ahead = 0
        async for result in map_in_order(work, items(), 3):
            ahead = max(ahead, taken - result)
        return ahead

    assert asyncio.run(scenario()) <= 3 * AHEAD
    assert (most, taken) == (3, 1000)


def test_what_one_raises_ends_all():
    cancelled = []

    async def work(item):
        if item == 0:
            await asyncio.sleep(0)
            raise KeyError(item)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(item)
            raise

    async def scenario():
        async for _ in map_in_order(work, range(3), 3):
            pass

    with pytest.raises(KeyError):
        asyncio.run(scenario())
    assert cancelled == [1, 2]
