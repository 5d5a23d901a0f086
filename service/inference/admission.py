"""Admission: a picture that cannot be answered in time is refused at once (docs/decisions/0012)."""

import math
import time
from types import TracebackType

from service.errors import Overloaded

MIN_PACE_WEIGHT = 0.01
"""Weight of one picture in the measured pace, after the first hundred."""

ALWAYS_ADMITTED = 64
"""Pictures in flight up to which only the deadline counts, not the target: so many clients that each wait for
their answer, or one request with many pictures, are no overload, however slow the model is."""

DETAILS = {
    "full": "{} has all the work it can take; try again in {} s.",
    "late": "{} could not answer in time; try again in {} s.",
}


class Refused(Exception):
    """The picture is not admitted: too many are in flight, or it would wait for too long.

    Attributes:
        reason: "full" or "late".
        retry_after: Whole seconds after which a slot is free if no other client comes.
    """

    def __init__(self, reason: str, retry_after: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after = retry_after

    def problem(self, model: str) -> Overloaded:
        """What a client of this model is told."""
        detail = DETAILS[self.reason].format(model, self.retry_after)
        return Overloaded(detail, self.retry_after)


class Admission:
    """Counts the pictures in flight to one model, and measures how fast they are answered.

    The limit that matters is one of time, as in CoDel (RFC 8289): a queue that is bounded by a number of
    pictures is seconds long where they are slow, and too short where they are fast.

    Args:
        limit: Pictures in flight, at most.
        deadline: Seconds within which each must be answered.
        target: Seconds that one more picture may wait, behind more than ALWAYS_ADMITTED.

    Attributes:
        in_flight: Pictures in flight now.
        pace: Seconds from one answer to the next while there is work; 0 before the first.
    """

    def __init__(self, limit: int, deadline: float, target: float = math.inf) -> None:
        self._limit = limit
        self._deadline = deadline
        self._target = min(target, deadline)
        self._last_end = 0.0
        self._completed = 0
        self.in_flight = 0
        self.pace = 0.0

    def slot(self, pictures: int = 1) -> "Slot":
        """A slot, held in a `with` block while pictures are answered; entering it may raise Refused."""
        return Slot(self, pictures)

    def refusal(self, ahead: int = 0) -> Refused | None:
        """Why one more picture would not be answered in time; None where it would.

        Args:
            ahead: Pictures that come before it and are not counted yet.
        """
        in_flight, pace = self.in_flight + ahead, self.pace
        excess = in_flight + 1 - self._limit
        if excess > 0:
            return Refused("full", _whole_seconds(excess * pace))
        # An idle model admits any picture: otherwise one slow answer would close it for good.
        if in_flight:
            allowed = self._target if in_flight >= ALWAYS_ADMITTED else self._deadline
            lateness = (in_flight + 1) * pace - allowed
            if lateness > 0:
                return Refused("late", _whole_seconds(lateness))
        return None

    def together(self, most: int) -> int:
        """Pictures of one request that go in flight together: `most`, fewer where that takes past the target.

        Slow pictures would otherwise leave no place for others, and find none beside them.
        """
        fitting = int(self._target / self.pace) if self.pace else most
        return max(min(most, self._limit, fitting), 1)

    def enter(self, pictures: int = 1) -> None:
        """Count pictures in flight that are answered together.

        Raises:
            Refused: So many more pictures could not be answered in time.
        """
        # An idle model admits whatever it has room for, as below.
        refused = self.refusal(pictures - 1) if self.in_flight or pictures > self._limit else None
        if refused is not None:
            raise refused
        if self.in_flight == 0:
            self._last_end = time.perf_counter()
        self.in_flight += pictures

    def leave(self, measured: bool, pictures: int = 1) -> None:
        """Count pictures less, and their time where they came to an end."""
        self.in_flight -= pictures
        if measured:
            now = time.perf_counter()
            self._completed += pictures
            weight = max(pictures / self._completed, 1 - (1 - MIN_PACE_WEIGHT) ** pictures)
            self.pace += weight * ((now - self._last_end) / pictures - self.pace)
            self._last_end = now


class Slot:
    """Pictures in flight."""

    __slots__ = ("_admission", "_pictures")

    def __init__(self, admission: Admission, pictures: int) -> None:
        self._admission = admission
        self._pictures = pictures

    def __enter__(self) -> None:
        self._admission.enter(self._pictures)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A broken picture took its time too; one whose client has gone may have taken none.
        self._admission.leave(kind is None or issubclass(kind, Exception), self._pictures)


def _whole_seconds(seconds: float) -> int:
    """Rounded up, at least 1: Retry-After has no fractions (RFC 9110, section 10.2.3)."""
    return max(math.ceil(seconds), 1)
