"""Accepting from a listening socket that several workers share, so that each gets its part of them.

The worker that wakes first would otherwise take all that wait, and as connections are kept alive, its
siblings would stay idle. So a worker that has more connections than a sibling leaves the next ones to it for
PAUSE_S, and then takes some all the same: a sibling that is busy or dead holds up no client.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

from service.monitoring.shared.worker_values import WorkerValues

PAUSE_S = 0.002

TAKEN_AFTER_A_PAUSE = 4
"""Connections that a worker accepts after a pause, whatever its siblings have."""

SLACK = 1 / 16
"""Of its own connections, by which a worker may have more than a sibling; one at least."""

NO_FILES_PAUSE_S = 0.1
"""Until the next try where the system has no file or memory left for a connection."""

log = logging.getLogger(__name__)


class Acceptor:
    """Accepts the connections of one listening socket; looks like a server to uvicorn.

    Args:
        loop: Of this worker.
        protocol_factory: Makes the protocol of each connection.
        listening: The socket.
        open_connections: Of each worker; kept up to date by the protocols.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol_factory: Callable[[], Any],
        listening: socket.socket,
        open_connections: WorkerValues,
    ) -> None:
        self._loop = loop
        self._protocol_factory = protocol_factory
        self._listening = listening
        self._open_connections = open_connections
        self._begun: set[asyncio.Task[Any]] = set()
        self._resume: asyncio.TimerHandle | None = None
        self._is_failing = False
        self.sockets = [listening]
        listening.setblocking(False)
        loop.add_reader(listening.fileno(), self._accept)

    def close(self) -> None:
        """Accept all clients that wait, then stop to listen.

        The system would reset their connections, although they may have sent requests and could not know.
        """
        if self._listening.fileno() == -1:
            return
        while self._accept_one():
            pass
        if self._resume is not None:
            self._resume.cancel()
        self._loop.remove_reader(self._listening.fileno())
        self._listening.close()

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""

    def _accept(self, whatever: int = 0) -> None:
        """Accept while it is this worker's turn, then pause; the first `whatever` in any case."""
        while whatever > 0 or self._is_turn():
            whatever -= 1
            if not self._accept_one():
                return
        self._pause(PAUSE_S)

    def _is_turn(self) -> bool:
        own = self._open_connections.own + len(self._begun)
        return own <= self._open_connections.least_of_others() + max(own * SLACK, 1)

    def _accept_one(self) -> bool:
        """Accept one connection; False where none waits or can be taken."""
        try:
            connection, _ = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False
        except OSError as error:
            if not self._is_failing:  # once, not ten times a second
                log.error("connections cannot be accepted: %s", error.strerror)
            self._is_failing = True
            self._pause(NO_FILES_PAUSE_S)
            return False
        self._is_failing = False
        connection.setblocking(False)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol_factory, connection))
        self._begun.add(task)
        task.add_done_callback(self._begun.discard)
        return True

    def _pause(self, seconds: float) -> None:
        """Leave what waits to the other workers."""
        if self._resume is None and self._listening.fileno() != -1:
            self._loop.remove_reader(self._listening.fileno())
            self._resume = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._resume = None
        self._loop.add_reader(self._listening.fileno(), self._accept)
        self._accept(TAKEN_AFTER_A_PAUSE)
