"""Time under control, for tests of queues and of admission."""

import time

import pytest


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """time.perf_counter() under control: seconds, as a list of one."""
    now = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now
