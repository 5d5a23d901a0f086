"""The event loop: uvloop, whose servers accept every waiting client before they stop to listen.

When a listening socket closes, the system resets connections that are not accepted yet, although their
clients have sent requests and could not know. So all that wait are accepted first.
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvloop

from service.monitoring.shared.worker_values import WorkerValues
from service.server.acceptor import Acceptor


class DrainingLoop(uvloop.Loop):
    """uvloop with servers that leave no waiting client behind."""

    async def create_server(  # type: ignore[override]  # uvicorn calls it in all of its ways
        self, protocol_factory: Callable[[], Any], **options: Any
    ) -> Any:
        """A server as uvloop makes it, with another close()."""
        server: Any = await super().create_server(protocol_factory, **options)
        close = server.close

        def accept_and_close() -> None:
            for listening in server.sockets:
                for connection in _accept_waiting(listening.fileno()):
                    self.create_task(self.connect_accepted_socket(protocol_factory, connection))
            close()

        return _DrainingServer(server, accept_and_close)


class WorkerLoop(uvloop.Loop):
    """uvloop with servers that share their socket with other workers, and leave no client behind either.

    Attributes:
        open_connections: Of each worker.
    """

    open_connections: WorkerValues

    async def create_server(  # type: ignore[override]  # uvicorn calls it in this one of its ways
        self, protocol_factory: Callable[[], Any], *, sock: socket.socket, **_options: Any
    ) -> Acceptor:
        """An acceptor for a socket that listens."""
        return Acceptor(self, protocol_factory, sock, self.open_connections)


class _DrainingServer:
    def __init__(self, server: Any, close: Callable[[], None]) -> None:
        self._server = server
        self.close = close

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)


def _accept_waiting(descriptor: int) -> list[socket.socket]:
    """The connections that wait at a listening socket, accepted."""
    accepted = []
    with socket.socket(fileno=os.dup(descriptor)) as listening, suppress(BlockingIOError):
        listening.setblocking(False)
        while True:
            connection, _ = listening.accept()
            connection.setblocking(False)
            accepted.append(connection)
    return accepted
