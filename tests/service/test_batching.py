"""The batch queue: greedy, in order, one answer each, and nobody pays for a neighbour."""

import asyncio
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.batching import BatchQueue, BatchTimeout, QueueTimeout


class Doubler:
    """Answers 2 n for n, remembers its batches and how many ran at once, and waits for `go` where it is
    cleared."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.most_at_once = 0
        self.go = threading.Event()
        self.go.set()
        self._at_once = 0
        self._lock = threading.Lock()

    def __call__(self, items: Sequence[int]) -> list[int]:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self.batches.append(list(items))
        self.go.wait(10)
        with self._lock:
            self._at_once -= 1
        if 13 in items:
            raise ArithmeticError("13")
        return [2 * item for item in items]


class Queue(BatchQueue[int, int]):
    """With threads of its own, and deadlines in seconds from now."""

    def __init__(self, run, max_batch_size=4, in_flight=1, patience=10.0, limit=10.0, spare=0) -> None:
        super().__init__(run, lambda: ThreadPoolExecutor(1), max_batch_size, in_flight, limit, spare)
        self.patience = patience

    async def ask(self, item: int):
        return await self.submit(item, time.perf_counter() + self.patience)


async def gather_behind_a_running_batch(queue, run, items):
    """Submit 0 alone, then the items while it runs; return the outcomes of the items."""
    run.go.clear()
    first = asyncio.create_task(queue.ask(0))
    await asyncio.sleep(0.05)
    tasks = [asyncio.create_task(queue.ask(item)) for item in items]
    await asyncio.sleep(0.01)
    run.go.set()
    await first
    return await asyncio.gather(*tasks, return_exceptions=True)


def test_an_idle_queue_runs_a_batch_of_one_at_once():
    run = Doubler()
    served = asyncio.run(Queue(run).ask(21))

    assert (served.answer, served.batch_size) == (42, 1)
    assert run.batches == [[21]]


def test_requests_gather_while_a_batch_runs():
    run = Doubler()
    served = asyncio.run(gather_behind_a_running_batch(Queue(run), run, range(1, 8)))

    assert [one.answer for one in served] == [2, 4, 6, 8, 10, 12, 14]
    assert run.batches == [[0], [1, 2, 3, 4], [5, 6, 7]]


def test_what_comes_at_once_goes_at_once():
    async def burst(queue):
        return await asyncio.gather(*(queue.ask(item) for item in range(4)))

    run = Doubler()
    asyncio.run(burst(Queue(run)))

    assert run.batches == [[0, 1, 2, 3]]


def test_a_failing_batch_fails_alone():
    run = Doubler()
    served = asyncio.run(gather_behind_a_running_batch(Queue(run), run, [1, 13, 2, 3, 4, 5]))

    assert [type(one) for one in served[:4]] == [ArithmeticError] * 4
    assert [one.answer for one in served[4:]] == [8, 10]


def test_a_model_that_loses_an_answer_is_told_so():
    with pytest.raises(RuntimeError, match="0 answers for 1 items"):
        asyncio.run(Queue(lambda items: list(items)[1:]).ask(1))


def test_what_waited_too_long_is_not_computed():
    run = Doubler()
    queue = Queue(run, patience=0.04)
    served = asyncio.run(gather_behind_a_running_batch(queue, run, [1, 2]))

    assert [one.answer for one in served] == [2, 4]

    async def late():
        run.go.clear()
        first = asyncio.create_task(queue.ask(0))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(queue.ask(7))
        await asyncio.sleep(0.1)
        run.go.set()
        await first
        with pytest.raises(QueueTimeout):
            await second

    asyncio.run(late())
    assert [7] not in run.batches


def test_who_has_gone_is_not_computed():
    async def scenario(run, queue):
        run.go.clear()
        first = asyncio.create_task(queue.ask(0))
        await asyncio.sleep(0.05)
        gone, stays = (asyncio.create_task(queue.ask(item)) for item in (1, 2))
        await asyncio.sleep(0.01)
        gone.cancel()
        run.go.set()
        await first
        return await stays

    run = Doubler()
    assert asyncio.run(scenario(run, Queue(run))).answer == 4
    assert run.batches == [[0], [2]]


def test_two_batches_in_flight_where_a_device_can():
    async def scenario(run, queue):
        run.go.clear()
        tasks = []
        for item in range(6):
            tasks.append(asyncio.create_task(queue.ask(item)))
            await asyncio.sleep(0.01)
        run.go.set()
        return await asyncio.gather(*tasks)

    run = Doubler()
    served = asyncio.run(scenario(run, Queue(run, in_flight=2)))

    assert [one.answer for one in served] == [0, 2, 4, 6, 8, 10]
    assert run.batches[:3] == [[0], [1], [2, 3, 4, 5]]
    assert run.most_at_once == 2


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
    assert (third.answer, fourth.answer) == (6, 8)


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
    assert (two.answer, four.answer, str(three)) == (1, 2, "3 is odd")


@settings(max_examples=100, deadline=None)
@given(
    fates=st.lists(st.sampled_from(["stay", "leave at once", "leave later", "fail"]), max_size=40),
    pauses=st.lists(st.booleans(), min_size=40, max_size=40),
    max_batch_size=st.integers(1, 7),
    in_flight=st.integers(1, 3),
)
def test_everyone_who_stays_gets_their_own_answer_in_order(fates, pauses, max_batch_size, in_flight):
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
        assert (await queue.ask(1)).answer == 2  # it still works, whatever happened
        assert len(queue) == 0  # who left while nothing was free is passed over by whoever comes next
        return outcomes

    run = Doubler()
    outcomes = asyncio.run(scenario(run))

    failed = {item for batch in run.batches if 13 in batch for item in batch}
    for (item, fate), outcome in zip(plan, outcomes, strict=True):
        if item in failed and isinstance(outcome, Exception):
            assert isinstance(outcome, ArithmeticError)
        elif fate == "stay":
            assert outcome.answer == 2 * item
        else:
            # Who leaves later may have been answered before.
            assert isinstance(outcome, asyncio.CancelledError) or outcome.answer == 2 * item
    computed = [item for batch in run.batches for item in batch if item not in (1, 13)]
    stayed = [item for item, fate in plan if fate == "stay"]
    assert set(stayed) <= set(computed)
    assert len(computed) == len(set(computed))
    if in_flight == 1:
        assert computed == sorted(computed)
    assert all(1 <= len(batch) <= max_batch_size for batch in run.batches)
    assert run.most_at_once <= in_flight
