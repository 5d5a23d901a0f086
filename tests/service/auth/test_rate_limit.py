"""The token bucket of each client, on a clock of its own."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.auth.rate_limit import BURST_S, RateLimiter
from service.errors import RateLimited


@given(
    rate=st.floats(0.1, 50),
    steps=st.lists(st.tuples(st.floats(0, 5), st.integers(0, 3)), max_size=80),
)
def test_no_client_gets_more_than_its_rate(rate, steps):
    """Whatever the rhythm: in any stretch at most the burst and what has come back since."""
    now = 0.0
    limiter = RateLimiter(rate, clock=lambda: now)
    admitted: deque[float] = deque()
    waits: list[int] = []
    for pause, client in steps:
        now += pause
        try:
            limiter.charge(client)
        except RateLimited as refused:
            waits.append(int(refused.headers["Retry-After"]))
        else:
            if client == 0:
                admitted.append(now)

    assert all(seconds >= 1 for seconds in waits)
    burst = max(BURST_S * rate, 1)
    for first in range(len(admitted)):
        for last in range(first, len(admitted)):
            assert last - first + 1 <= burst + rate * (admitted[last] - admitted[first]) + 1e-6


def test_a_burst_is_ten_seconds_worth():
    now = 0.0
    limiter = RateLimiter(2, clock=lambda: now)
    for _ in range(20):
        limiter.charge("client")
    with pytest.raises(RateLimited, match="2 pictures per second") as refused:
        limiter.charge("client")
    assert refused.value.headers["Retry-After"] == "1"
    limiter.charge("another client")

    now = 1.0
    limiter.charge("client")
    limiter.charge("client")
    with pytest.raises(RateLimited):
        limiter.charge("client")


def test_extra_pictures_delay_the_next_request():
    now = 0.0
    limiter = RateLimiter(1, clock=lambda: now)
    limiter.charge("client")
    for _ in range(20):
        limiter.charge_extra("client")

    now = 11.0
    with pytest.raises(RateLimited):
        limiter.charge("client")
    now = 13.0
    limiter.charge("client")


def test_no_rate_is_no_limit():
    limiter = RateLimiter(0)
    for _ in range(1000):
        limiter.charge("client")

    assert not limiter.enabled
