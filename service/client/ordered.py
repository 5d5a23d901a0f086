"""Work on many items at once, with results in the order of the items and memory for a few of them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 8
"""Items begun for each that is in work: so many results may wait for a slow one before them."""


async def map_in_order(
    work: Callable[[Item], Awaitable[Result]], items: Iterable[Item], jobs: int
) -> AsyncIterator[Result]:
    """Yield the result of each item, in order.

    Args:
        work: At most `jobs` of it run at the same time; what it raises ends everything.
        items: Taken only as results are.
        jobs: 1 at least.
    """
    slots = asyncio.Semaphore(jobs)

    async def worked(item: Item) -> Result:
        async with slots:
            return await work(item)

    begun: deque[asyncio.Task[Result]] = deque()
    try:
        for item in items:
            begun.append(asyncio.create_task(worked(item)))
            if len(begun) == AHEAD * jobs:
                yield await begun.popleft()
        while begun:
            yield await begun.popleft()
    finally:
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)
