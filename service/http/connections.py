"""The open connections of one process, and what a client may take of it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.monitoring.shared.worker_values import WorkerValues

if TYPE_CHECKING:
    from service.http.connection import Connection

RESERVED_FILES = 200
"""Open files that are not connections: libraries, model files while they are verified, logs."""


class Refusals:
    """Refuses requests early; this one refuses none."""

    def of_whole(self, data: bytes) -> bytes | None:
        """The response to a request that came in one piece, if it is refused; None if it is to be parsed."""
        return None

    def of_head(self, url: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes | None:
        """The response to a request with this head, if it is refused; None if its body is to be read."""
        return None


def open_files_limit() -> int:
    """How many files the system allows this process to have open."""
    if sys.platform == "win32":
        return 2**16
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may take.

    Attributes:
        connections: Connections that are open at once, in all workers.
        head_seconds: Until a head is complete.
        body_seconds: Until a body is complete; while the service does not read, the clock stands still.
    """

    connections: int = 10_000
    head_seconds: float = 10
    body_seconds: float = 60


class Connections:
    """All open connections of one process.

    Attributes:
        limits: What each of them may take.
        open: Those that are open.
        counts: How many are open in each worker.
        refusals: Of requests, before anything else is done with them.
        draining: True once the process is told to end; every response closes its connection from then on.
    """

    def __init__(self, limits: Limits | None = None, counts: WorkerValues | None = None) -> None:
        self.limits = limits or Limits()
        self.open: set[Connection] = set()
        self.counts = counts or WorkerValues()
        self.refusals = Refusals()
        self.draining = False
        # With no file left to open, clients would wait unanswered.
        self._most_here = max(open_files_limit() - RESERVED_FILES, 1)

    def add(self, connection: "Connection") -> bool:
        """Count one more; False where it is one too many."""
        self.open.add(connection)
        self.counts.own = len(self.open)
        return len(self.open) <= self._most_here and self.counts.total() <= self.limits.connections

    def remove(self, connection: "Connection") -> None:
        """Count one less."""
        self.open.discard(connection)
        self.counts.own = len(self.open)

    def tick(self, seconds: float) -> None:
        """Count time that has passed, and reject clients that have kept the service waiting too long."""
        for connection in tuple(self.open):
            connection.tick(seconds)
