"""The batch queue: greedy, in order, one result each, and no item pays for a neighbour."""

import asyncio
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from service.inference.queues.queued import QueueTimeout
from tests.support.models.doubling import Doubler, Queue, gather_behind_a_running_batch
from tests.support.waiting import WITHIN_S, reached


def test_an_idle_queue_runs_a_batch_of_one_at_once():
    run = Doubler()
    served = asyncio.run(Queue(run).ask(21))

    assert (served.result, served.group_size) == (42, 1)
    assert run.batches == [[21]]


def test_requests_gather_while_a_batch_runs():
    run = Doubler()
    served = asyncio.run(gather_behind_a_running_batch(Queue(run), run, range(1, 8)))

    assert [one.result for one in served] == [2, 4, 6, 8, 10, 12, 14]
    assert run.batches == [[0], [1, 2, 3, 4], [5, 6, 7]]


def test_what_comes_at_once_goes_at_once():
    async def burst(queue):
        return await asyncio.gather(*(queue.ask(item) for item in range(4)))

    run = Doubler()
    asyncio.run(burst(Queue(run)))

    assert run.batches == [[0, 1, 2, 3]]


def test_an_item_that_is_alone_shares_its_batch_with_no_other():
    async def scenario(queue, run):
        run.go.clear()
        later = time.perf_counter() + WITHIN_S
        waiting = [asyncio.create_task(queue.submit(0, later))]
        await asyncio.sleep(0)
        waiting += [asyncio.create_task(queue.submit(n, later, alone=n == 3)) for n in (1, 2, 3, 4, 5)]
        await asyncio.sleep(0)
        run.go.set()
        return await asyncio.gather(*waiting)

    run = Doubler()
    asyncio.run(scenario(Queue(run), run))

    assert run.batches == [[0], [1, 2], [3], [4, 5]]


def test_what_waited_too_long_is_not_computed():
    run = Doubler()
    queue = Queue(run)
    outcomes = asyncio.run(gather_behind_a_running_batch(queue, run, [7, 8], patience=0))

    assert [type(outcome) for outcome in outcomes] == [QueueTimeout] * 2
    assert run.batches == [[0]]
    assert asyncio.run(queue.ask(3)).result == 6


def test_a_cancelled_item_is_not_computed():
    async def scenario(run, queue):
        run.go.clear()
        first = asyncio.create_task(queue.ask(0))
        await reached(lambda: run.batches)
        gone, stays = (asyncio.create_task(queue.ask(item)) for item in (1, 2))
        await asyncio.sleep(0)  # both are submitted
        gone.cancel()
        run.go.set()
        await first
        return await stays

    run = Doubler()
    assert asyncio.run(scenario(run, Queue(run))).result == 4
    assert run.batches == [[0], [2]]


def test_two_batches_in_flight_where_a_device_can():
    async def scenario(run, queue):
        run.go.clear()
        tasks = []
        for item in range(6):
            tasks.append(asyncio.create_task(queue.ask(item)))
            await reached(lambda: len(run.batches) == min(len(tasks), 2))
        await asyncio.sleep(0)  # all are submitted
        run.go.set()
        return await asyncio.gather(*tasks)

    run = Doubler()
    served = asyncio.run(scenario(run, Queue(run, in_flight=2)))

    assert [one.result for one in served] == [0, 2, 4, 6, 8, 10]
    assert run.batches[:3] == [[0], [1], [2, 3, 4, 5]]
    assert run.most_at_once == 2


@settings(max_examples=100)
@given(
    fates=st.lists(st.sampled_from(["stay", "leave at once", "leave later", "fail"]), max_size=40),
    pauses=st.lists(st.booleans(), min_size=40, max_size=40),
    max_batch_size=st.integers(1, 7),
    in_flight=st.integers(1, 3),
)
def test_each_item_gets_its_own_result_in_order(fates, pauses, max_batch_size, in_flight):
    """No loss, no second answer, bounds kept, whoever leaves and whenever."""
    plan = [(13 if fate == "fail" else item, fate) for item, fate in enumerate(fates, start=100)]

    async def scenario(run):
        queue = Queue(run, max_batch_size, in_flight)
        tasks = []
        for (item, fate), pause in zip(plan, pauses, strict=False):
            tasks.append(asyncio.create_task(queue.ask(item)))
            await asyncio.sleep(0.001 if pause else 0)
            if fate == "leave at once":
                tasks[-1].cancel()
        for task, (_, fate) in zip(tasks, plan, strict=True):
            if fate == "leave later":
                task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert (await queue.ask(1)).result == 2  # it still works, whatever happened
        assert len(queue) == 0  # who left while nothing was free is passed over by whoever comes next
        return outcomes

    run = Doubler()
    outcomes = asyncio.run(scenario(run))

    failed = {item for batch in run.batches if 13 in batch for item in batch}
    for (item, fate), outcome in zip(plan, outcomes, strict=True):
        if item in failed and isinstance(outcome, Exception):
            assert isinstance(outcome, ArithmeticError)
        elif fate == "stay":
            assert outcome.result == 2 * item
        else:
            # Who leaves later may have been answered before.
            assert isinstance(outcome, asyncio.CancelledError) or outcome.result == 2 * item
    computed = [item for batch in run.batches for item in batch if item not in (1, 13)]
    stayed = [item for item, fate in plan if fate == "stay"]
    assert set(stayed) <= set(computed)
    assert len(computed) == len(set(computed))
    if in_flight == 1:
        assert computed == sorted(computed)
    assert all(1 <= len(batch) <= max_batch_size for batch in run.batches)
    assert run.most_at_once <= in_flight
