"""Queued items: what waits for a thread, how a group of them is run, and how each is settled.

The batch queue and the decode pool share this. Each item has a future; a group is the items that one
thread takes at once. The dataclasses are not frozen: two of each are made for every picture, at a
quarter of the cost of frozen ones.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class QueueTimeout(Exception):
    """The item waited past its deadline and was dropped before it was computed."""


@dataclass(slots=True)
class Completed(Generic[Result]):
    """A result and what it took.

    Attributes:
        result: What was returned for the item.
        queue_s: Seconds from submission to the start of its group.
        run_s: Seconds that its group ran.
        group_size: Items in that group.
    """

    result: Result
    queue_s: float
    run_s: float
    group_size: int


@dataclass(slots=True)
class QueuedItem(Generic[Item, Result]):
    """An item that waits for its turn.

    Attributes:
        item: The input of the work.
        future: Settled with the result, or with the exception.
        since: When it was submitted, in seconds of time.perf_counter().
        deadline: When it is dropped if it still waits, on the same clock.
        is_alone: Whether it shares its group with no other item.
    """

    item: Item
    future: asyncio.Future[Completed[Result]]
    since: float
    deadline: float
    is_alone: bool = False

    def claim(self) -> bool:
        """Whether the item is to be run: its client still waits, and its deadline is ahead.

        Past the deadline its future fails with QueueTimeout.
        """
        if self.future.done():
            return False
        now = time.perf_counter()
        if now > self.deadline:
            self.future.set_exception(QueueTimeout(f"waited {now - self.since:.1f} s"))
            return False
        return True


def run_group(
    executor: Executor,
    work: Callable[[list[Item]], Sequence[Result | BaseException]],
    group: Sequence[QueuedItem[Item, Result]],
    on_done: Callable[[Future[Sequence[Result | BaseException]]], None],
) -> None:
    """Run a group in a thread, then call `on_done` on the event loop.

    Where the system has no thread left, the future that `on_done` gets fails with MemoryError.
    """
    loop = asyncio.get_running_loop()
    try:
        future = executor.submit(work, [queued.item for queued in group])
    except RuntimeError as error:
        future = Future()
        future.set_exception(MemoryError(str(error)))
    # Not a lambda: this runs in the worker thread, where each Python frame needs the interpreter's lock.
    future.add_done_callback(partial(loop.call_soon_threadsafe, on_done))  # type: ignore[arg-type]


def call_soon_once(callback: Callable[[], None]) -> Callable[[], None]:
    """A function that calls back at the end of this turn of the event loop, once however often it is called.

    What arrives within one turn then shares what it starts.
    """
    is_due = False

    def run() -> None:
        nonlocal is_due
        is_due = False
        callback()

    def soon() -> None:
        nonlocal is_due
        if not is_due:
            is_due = True
            asyncio.get_running_loop().call_soon(run)

    return soon


def settle(
    group: Sequence[QueuedItem[Item, Result]],
    done: Future[Sequence[Result | BaseException]],
    started: float,
) -> float:
    """Give each item of a group that ran in a thread its result, or its exception.

    Args:
        group: The items that ran together.
        done: One result per item, in order. A future that failed fails all items.
        started: When the group started, in seconds of time.perf_counter().

    Returns:
        Seconds that the group ran.
    """
    run_s = time.perf_counter() - started
    error = done.exception()
    settle_results(group, [error] * len(group) if error else done.result(), started, run_s)
    return run_s


def settle_results(
    group: Sequence[QueuedItem[Item, Result]],
    results: Sequence[Result | BaseException],
    started: float,
    run_s: float,
) -> None:
    """Give each item of a group its result, or its exception; cancelled items are skipped.

    Args:
        group: The items that ran together.
        results: One per item, in order; an exception among them is raised for its item alone.
        started: When the group started, in seconds of time.perf_counter().
        run_s: Seconds that the group ran.
    """
    for queued, result in zip(group, results, strict=True):
        future = queued.future
        if future.done():
            continue
        if isinstance(result, BaseException):
            future.set_exception(result)
        else:
            future.set_result(Completed(result, started - queued.since, run_s, len(group)))
