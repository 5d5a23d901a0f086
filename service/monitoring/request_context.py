"""What belongs to the request being answered: its id, and where its time went."""

import random
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from models.prediction_record import REQUEST_ID

_HARMLESS = re.compile(REQUEST_ID)

_random = random.Random()  # seeded by the system, in each process anew

_id: ContextVar[str] = ContextVar("request_id", default="")
_started: ContextVar[float] = ContextVar("started")
_stages: ContextVar[dict[str, float]] = ContextVar("stages")


def start_request(given_id: str = "") -> str:
    """Start a request. given_id: the client's own, kept where it is harmless to log and to echo."""
    request_id = given_id if given_id and _HARMLESS.fullmatch(given_id) else _new_id()
    _id.set(request_id)
    _started.set(time.perf_counter())
    _stages.set({})
    return request_id


def _new_id() -> str:
    # Unique, not secret. Asking the system for random bytes would give up the interpreter's lock, and with
    # busy decoding threads it takes 30 us to get it back.
    return f"{_random.getrandbits(128):032x}"


def request_id() -> str:
    """The id of the current request; a new one where the service is called from Python."""
    return _id.get() or start_request()


def request_id_or_none() -> str:
    """The id of the current request; empty outside of one."""
    return _id.get()


def record(stages: Mapping[str, float]) -> None:
    """Note the seconds that stages of the current request took; of many pictures, the longest."""
    if _id.get():
        noted = _stages.get()
        for stage, took in stages.items():
            noted[stage] = max(took, noted.get(stage, 0.0))


@contextmanager
def picture_stages() -> Iterator[Mapping[str, float]]:
    """The seconds that stages of one picture take, apart from those of the request's other pictures."""
    stages: dict[str, float] = {}
    known = _stages.set(stages)
    try:
        yield stages
    finally:
        _stages.reset(known)
        record(stages)


def stages() -> Mapping[str, float]:
    """The seconds noted so far."""
    return _stages.get()


def total() -> float:
    """Seconds since the request began."""
    return time.perf_counter() - _started.get()


def server_timing(total: float) -> str:
    """The Server-Timing header of the current request, in milliseconds (W3C Server Timing)."""
    all_of_it = {**_stages.get(), "total": total}
    return ", ".join(f"{stage};dur={1000 * took:.2f}" for stage, took in all_of_it.items())
