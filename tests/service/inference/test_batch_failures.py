"""A batch that fails, hangs or is never run: its items fail, and no others."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from service.inference.queues.batch_queue import BatchQueue, BatchTimeout
from service.inference.queues.queued import QueueTimeout
from tests.support.models.doubling import Doubler, Queue, gather_behind_a_running_batch
from tests.support.waiting import WITHIN_S


def test_a_failing_batch_fails_alone():
    run = Doubler()
    served = asyncio.run(gather_behind_a_running_batch(Queue(run), run, [1, 13, 2, 3, 4, 5]))

    assert [type(one) for one in served[:4]] == [ArithmeticError] * 4
    assert [one.result for one in served[4:]] == [8, 10]


def test_a_missing_result_is_an_error():
    with pytest.raises(RuntimeError, match="0 results for 1 items"):
        asyncio.run(Queue(lambda items: list(items)[1:]).ask(1))


def test_a_hanging_batch_fails_alone_and_frees_its_slot():
    """Two hang, one slot is to spare: the third runs in it, the fourth waits until one comes back."""

    async def scenario(run):
        queue = Queue(lambda items: run(items) if items[0] < 3 else [2 * n for n in items], 1, 1, 1)
        run.go.clear()
        outcomes = [await asyncio.gather(queue.ask(1, timeout=0.05), return_exceptions=True)]
        outcomes.append(await asyncio.gather(queue.ask(3)))  # in the spare slot
        outcomes.append(await asyncio.gather(queue.ask(2, timeout=0.05), return_exceptions=True))
        waits = asyncio.create_task(queue.ask(4))
        await asyncio.sleep(0.1)
        assert not waits.done()
        run.go.set()
        outcomes.append([await waits])
        return [outcome for [outcome] in outcomes]

    first, third, second, fourth = asyncio.run(scenario(Doubler()))

    assert isinstance(first, BatchTimeout) and isinstance(second, BatchTimeout)
    assert (third.result, fourth.result) == (6, 8)


def test_an_item_behind_batches_that_hang_ends_at_its_deadline():
    async def scenario(run):
        queue = BatchQueue(run, lambda: ThreadPoolExecutor(1), 1)
        run.go.clear()
        hanging = asyncio.create_task(queue.submit(1, time.perf_counter() + WITHIN_S))
        await asyncio.sleep(0)  # it is first
        late = [queue.submit(item, time.perf_counter() + 0.05) for item in (2, 3)]
        outcomes = await asyncio.wait_for(asyncio.gather(*late, return_exceptions=True), WITHIN_S)
        run.go.set()
        return outcomes, await hanging

    outcomes, hanging = asyncio.run(scenario(Doubler()))

    assert [type(outcome) for outcome in outcomes] == [QueueTimeout] * 2
    assert hanging.result == 2


def test_without_a_thread_items_fail_for_lack_of_memory():
    async def scenario():
        executor = ThreadPoolExecutor(1)
        executor.shutdown()  # refuses work as it does where the system has no thread left
        queue = BatchQueue(list, lambda: executor, 4)
        later = time.perf_counter() + WITHIN_S
        return await asyncio.gather(*(queue.submit(item, later) for item in range(9)), return_exceptions=True)

    outcomes = asyncio.run(asyncio.wait_for(scenario(), WITHIN_S))
    assert {type(outcome) for outcome in outcomes} == {MemoryError}


def test_a_result_that_is_an_exception_fails_its_item_alone():
    def halve(items):
        return [ValueError(f"{item} is odd") if item % 2 else item // 2 for item in items]

    async def scenario():
        queue = Queue(halve)
        return await asyncio.gather(*map(queue.ask, (2, 3, 4)), return_exceptions=True)

    two, three, four = asyncio.run(scenario())
    assert (two.result, four.result, str(three)) == (1, 2, "3 is odd")
