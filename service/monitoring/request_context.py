"""The context of the current request: its id, and the seconds that its stages took."""

import os
import random
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from models.prediction_record import REQUEST_ID

_ACCEPTED_ID = re.compile(REQUEST_ID)

_random = random.Random()  # seeded by the system, in each process anew
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)

_id: ContextVar[str] = ContextVar("request_id", default="")
_started: ContextVar[float] = ContextVar("started")
_stages: ContextVar[dict[str, float]] = ContextVar("stages")


def start_request(given_id: str = "") -> str:
    """Start a request and return its id.

    Args:
        given_id: The client's own id, kept where it is safe to log and to echo.
    """
    request_id = given_id if given_id and _ACCEPTED_ID.fullmatch(given_id) else new_id()
    _id.set(request_id)
    _started.set(time.perf_counter())
    _stages.set({})
    return request_id


def new_id() -> str:
    """A new id for a request."""
    # Unique, not secret. Asking the system for random bytes would release the interpreter's lock, and with
    # busy decoding threads it takes 30 us to get it back.
    return f"{_random.getrandbits(128):032x}"


def request_id() -> str:
    """The id of the current request; a new one where the service is called from Python."""
    return _id.get() or start_request()


def request_id_or_none() -> str:
    """The id of the current request; empty outside of one."""
    return _id.get()


def record(stages: Mapping[str, float]) -> None:
    """Record the seconds of stages of the current request; of several pictures, the longest."""
    if _id.get():
        recorded = _stages.get()
        for stage, seconds in stages.items():
            recorded[stage] = max(seconds, recorded.get(stage, 0.0))


@contextmanager
def picture_stages() -> Iterator[Mapping[str, float]]:
    """Collect the stages of one picture, apart from those of the request's other pictures.

    Yields:
        Seconds by stage, filled during the block.
    """
    stages: dict[str, float] = {}
    token = _stages.set(stages)
    try:
        yield stages
    finally:
        _stages.reset(token)
        record(stages)


def stages() -> Mapping[str, float]:
    """The seconds recorded so far, by stage."""
    return _stages.get()


def total() -> float:
    """Seconds since the request started."""
    return time.perf_counter() - _started.get()


def server_timing(total: float) -> str:
    """The Server-Timing header of the current request, in milliseconds (W3C Server Timing).

    Args:
        total: Seconds of the whole request.
    """
    durations = {**_stages.get(), "total": total}
    return ", ".join(f"{stage};dur={1000 * seconds:.2f}" for stage, seconds in durations.items())
