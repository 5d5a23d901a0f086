"""Waiting for a condition instead of for a time, so that no outcome depends on the machine's speed."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")

WITHIN_S = 120.0
"""Seconds until a wait fails its test: far more than any machine needs, so that only a bug takes so long."""

POLL_INTERVAL_S = 0.02


def wait_until(condition: Callable[[], Value], within: float = WITHIN_S) -> Value:
    """Return the first true value of `condition`; fail where there is none within so many seconds."""
    until = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < until, f"not true within {within:g} s"
        time.sleep(POLL_INTERVAL_S)
    return value


def wait_for(expected: Value, read: Callable[[], Value], within: float = WITHIN_S) -> None:
    """Wait until `read` returns `expected`; fail with what it returned last."""
    until = time.monotonic() + within
    while (value := read()) != expected and time.monotonic() < until:
        time.sleep(POLL_INTERVAL_S)
    assert value == expected


async def reached(condition: Callable[[], object], within: float = WITHIN_S) -> None:
    """Wait on the event loop until `condition` is true; fail where it is not within so many seconds."""
    async with asyncio.timeout(within):
        while not condition():
            await asyncio.sleep(0.001)
