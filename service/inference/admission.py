"""Admission: who cannot be answered in time is told at once, not after having waited for nothing."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

MIN_PACE_WEIGHT = 0.01
"""Weight of one picture in the measured pace, once there have been a hundred."""


class Refused(Exception):
    """retry_after: whole seconds after which there is room, if nobody else comes."""

    def __init__(self, why: str, retry_after: int) -> None:
        super().__init__(why)
        self.retry_after = retry_after


class Admission:
    """Counts the pictures that are being answered and measures how fast they are.

    limit: pictures that may be under way at once. deadline: seconds within which each must be answered.
    """

    def __init__(self, limit: int, deadline: float) -> None:
        self._limit = limit
        self._deadline = deadline
        self._since = 0.0
        self._answered = 0
        self.under_way = 0
        self.pace = 0.0
        """Seconds from one answer to the next while there is work: 0 before the first."""

    @contextmanager
    def place(self) -> Iterator[None]:
        """One picture's place, while it is being answered. Raises Refused."""
        self.check()
        if self.under_way == 0:
            self._since = time.perf_counter()
        self.under_way += 1
        try:
            yield
        except Exception:
            self._measure()  # a broken picture took its time too
            raise
        else:
            self._measure()
        finally:
            self.under_way -= 1

    def check(self) -> None:
        """Raises Refused where one more picture could not be answered in time."""
        over = self.under_way + 1 - self._limit
        if over > 0:
            raise Refused("full", self._seconds(over * self.pace))
        late = (self.under_way + 1) * self.pace - self._deadline
        # An idle model takes anybody: were it not so, one slow answer would close it for good.
        if late > 0 and self.under_way:
            raise Refused("late", self._seconds(late))

    def _measure(self) -> None:
        now = time.perf_counter()
        self._answered += 1
        weight = max(1 / self._answered, MIN_PACE_WEIGHT)
        self.pace += weight * (now - self._since - self.pace)
        self._since = now

    @staticmethod
    def _seconds(value: float) -> int:
        """Retry-After knows whole seconds only (RFC 9110, section 10.2.3)."""
        return max(math.ceil(value), 1)
