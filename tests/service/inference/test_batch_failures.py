"""A batch that fails, hangs or is never run: who was in it is told so, and nobody else."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.inference.batch_queue import BatchQueue, BatchTimeout
from tests.support.models.doubling import Doubler, Queue, gather_behind_a_running_batch


def test_a_failing_batch_fails_alone():
    run = Doubler()
    served = asyncio.run(gather_behind_a_running_batch(Queue(run), run, [1, 13, 2, 3, 4, 5]))

    assert [type(one) for one in served[:4]] == [ArithmeticError] * 4
    assert [one.result for one in served[4:]] == [8, 10]


def test_a_model_that_loses_an_answer_is_told_so():
    with pytest.raises(RuntimeError, match="0 results for 1 items"):
        asyncio.run(Queue(lambda items: list(items)[1:]).ask(1))


def test_a_batch_that_hangs_fails_alone_and_gives_its_place_away():
    """Two hang, one place is to spare: the third runs in it, the fourth waits until one comes back."""

    async def scenario(run):
        queue = Queue(lambda items: run(items) if items[0] < 3 else [2 * n for n in items], 1, 1, 10, 0.05, 1)
        run.go.clear()
        outcomes = [await asyncio.gather(queue.ask(1), return_exceptions=True)]
        outcomes.append(await asyncio.gather(queue.ask(3)))  # in the spare place
        outcomes.append(await asyncio.gather(queue.ask(2), return_exceptions=True))  # takes that too
        waits = asyncio.create_task(queue.ask(4))
        await asyncio.sleep(0.1)
        assert not waits.done()
        run.go.set()
        outcomes.append([await waits])
        return [outcome for [outcome] in outcomes]

    first, third, second, fourth = asyncio.run(scenario(Doubler()))

    assert isinstance(first, BatchTimeout) and isinstance(second, BatchTimeout)
    assert (third.result, fourth.result) == (6, 8)


def test_where_no_thread_can_be_started_who_waits_hears_of_it():
    async def scenario():
        executor = ThreadPoolExecutor(1)
        executor.shutdown()  # refuses work as it does where the system has no thread left
        queue = BatchQueue(list, lambda: executor, 4)
        later = time.perf_counter() + 10
        return await asyncio.gather(*(queue.submit(item, later) for item in range(9)), return_exceptions=True)

    outcomes = asyncio.run(asyncio.wait_for(scenario(), 5))
    assert {type(outcome) for outcome in outcomes} == {MemoryError}


def test_an_answer_that_is_an_exception_is_raised_for_its_item_alone():
    def halve(items):
        return [ValueError(f"{item} is odd") if item % 2 else item // 2 for item in items]

    async def scenario():
        queue = Queue(halve)
        return await asyncio.gather(*map(queue.ask, (2, 3, 4)), return_exceptions=True)

    two, three, four = asyncio.run(scenario())
    assert (two.result, four.result, str(three)) == (1, 2, "3 is odd")
