"""Admission: a picture that cannot be answered in time is refused at once (docs/decisions/0012)."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

MIN_PACE_WEIGHT = 0.01
"""Weight of one picture in the measured pace, after the first hundred."""


class Refused(Exception):
    """The picture is not admitted: too many are in flight, or it would miss its deadline.

    Attributes:
        retry_after: Whole seconds after which a slot is free if no other client comes.
    """

    def __init__(self, reason: str, retry_after: int) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Admission:
    """Counts the pictures in flight to one model, and measures how fast they are answered.

    Args:
        limit: Pictures in flight, at most.
        deadline: Seconds within which each must be answered.

    Attributes:
        in_flight: Pictures in flight now.
        pace: Seconds from one answer to the next while there is work; 0 before the first.
    """

    def __init__(self, limit: int, deadline: float) -> None:
        self._limit = limit
        self._deadline = deadline
        self._last_end = 0.0
        self._completed = 0
        self.in_flight = 0
        self.pace = 0.0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot while one picture is answered.

        Raises:
            Refused: One more picture could not be answered in time.
        """
        self.check()
        if self.in_flight == 0:
            self._last_end = time.perf_counter()
        self.in_flight += 1
        try:
            yield
        except Exception:
            self._measure()  # a broken picture took its time too
            raise
        else:
            self._measure()
        finally:
            self.in_flight -= 1

    def check(self) -> None:
        """Check that one more picture would be answered in time.

        Raises:
            Refused: It would not, with the reason "full" or "late".
        """
        excess = self.in_flight + 1 - self._limit
        if excess > 0:
            raise Refused("full", _whole_seconds(excess * self.pace))
        lateness = (self.in_flight + 1) * self.pace - self._deadline
        # An idle model admits any picture: otherwise one slow answer would close it for good.
        if lateness > 0 and self.in_flight:
            raise Refused("late", _whole_seconds(lateness))

    def _measure(self) -> None:
        now = time.perf_counter()
        self._completed += 1
        weight = max(1 / self._completed, MIN_PACE_WEIGHT)
        self.pace += weight * (now - self._last_end - self.pace)
        self._last_end = now


def _whole_seconds(seconds: float) -> int:
    """Rounded up, at least 1: Retry-After has no fractions (RFC 9110, section 10.2.3)."""
    return max(math.ceil(seconds), 1)
