"""The batch queue: greedy, in order, one answer each, and nobody pays for a neighbour."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.batching import BatchQueue, QueueFull, QueueTimeout
from service.session import batch_size


class Doubler:
    """Answers 2 n for n, remembers its batches, and waits for `go` where it is cleared."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = threading.Event()
        self.go.set()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.go.wait(10)
        self.batches.append(list(items))
        if 13 in items:
            raise ArithmeticError("13")
        return [2 * item for item in items]


def queue_of(run, max_batch_size=4, limit=100, deadline=10.0) -> BatchQueue[int, int]:
    return BatchQueue(run, ThreadPoolExecutor(1), max_batch_size, limit, deadline)


async def gather_behind_a_running_batch(queue, run, items):
    """Submit 0 alone, then the items while it runs; return the outcomes of the items."""
    run.go.clear()
    first = asyncio.create_task(queue.submit(0))
    await asyncio.sleep(0.05)
    tasks = [asyncio.create_task(queue.submit(item)) for item in items]
    await asyncio.sleep(0.01)
    run.go.set()
    await first
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_an_idle_queue_runs_a_batch_of_one_at_once():
    run = Doubler()
    served = asyncio.run(queue_of(run).submit(21))

    assert (served.answer, served.batch_size) == (42, 1)
    assert run.batches == [[21]]


def test_requests_gather_while_a_batch_runs():
    run = Doubler()
    served = asyncio.run(gather_behind_a_running_batch(queue_of(run), run, range(1, 8)))

    assert [one.answer for one in served] == [2, 4, 6, 8, 10, 12, 14]
    assert run.batches == [[0], [1, 2, 3, 4], [5, 6, 7]]


def test_a_failing_batch_fails_alone():
    run = Doubler()
    served = asyncio.run(gather_behind_a_running_batch(queue_of(run), run, [1, 13, 2, 3, 4, 5]))

    assert [type(one) for one in served[:4]] == [ArithmeticError] * 4
    assert [one.answer for one in served[4:]] == [8, 10]


def test_a_model_that_loses_an_answer_is_told_so():
    queue = queue_of(lambda items: list(items)[1:])

    with pytest.raises(RuntimeError, match="0 answers for 1 items"):
        asyncio.run(queue.submit(1))


def test_a_full_queue_refuses_and_goes_on():
    run = Doubler()
    served = asyncio.run(gather_behind_a_running_batch(queue_of(run, limit=3), run, range(1, 6)))

    assert [type(one) for one in served[3:]] == [QueueFull] * 2
    assert [one.answer for one in served[:3]] == [2, 4, 6]


def test_what_waited_too_long_is_not_computed():
    run = Doubler()
    served = asyncio.run(gather_behind_a_running_batch(queue_of(run, deadline=0.001), run, [1, 2]))

    assert [type(one) for one in served] == [QueueTimeout] * 2
    assert run.batches == [[0]]


def test_who_has_gone_is_not_computed():
    async def scenario(run, queue):
        run.go.clear()
        first = asyncio.create_task(queue.submit(0))
        await asyncio.sleep(0.05)
        gone, stays = (asyncio.create_task(queue.submit(item)) for item in (1, 2))
        await asyncio.sleep(0.01)
        gone.cancel()
        run.go.set()
        await first
        return await stays

    run = Doubler()
    assert asyncio.run(scenario(run, queue_of(run))).answer == 4
    assert run.batches == [[0], [2]]


@settings(max_examples=60, deadline=None)
@given(
    fates=st.lists(st.sampled_from(["stay", "leave"]), max_size=40),
    max_batch_size=st.integers(1, 7),
)
def test_everyone_who_stays_gets_their_own_answer_in_order(fates, max_batch_size):
    plan = list(enumerate(fates, start=100))  # every item once, and none is the unlucky 13

    async def scenario(run):
        queue = queue_of(run, max_batch_size)
        tasks = []
        for item, fate in plan:
            tasks.append(asyncio.create_task(queue.submit(item)))
            await asyncio.sleep(0)
            if fate == "leave":
                tasks[-1].cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert len(queue) == 0
        return outcomes

    run = Doubler()
    outcomes = asyncio.run(scenario(run))

    for (item, fate), outcome in zip(plan, outcomes, strict=True):
        if fate == "stay":
            assert outcome.answer == 2 * item
        else:
            assert isinstance(outcome, asyncio.CancelledError)
    computed = [item for batch in run.batches for item in batch]
    stayed = [item for item, fate in plan if fate == "stay"]
    assert [item for item in computed if item in stayed] == stayed
    assert len(computed) == len(set(computed))
    assert all(1 <= len(batch) <= max_batch_size for batch in run.batches)


def test_batches_of_large_pictures_are_small():
    assert batch_size((28, 28, 1), 64) == 64
    assert 1 <= batch_size((240, 240, 3), 64) <= 16
    assert batch_size((1024, 1024, 3), 64) == 1
