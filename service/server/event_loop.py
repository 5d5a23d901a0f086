"""The event loop: uvloop, whose servers answer whoever has connected before they stop to listen.

When a listening socket closes, the system resets connections that nobody has accepted yet, although their
clients have sent their requests and could not know. So all that wait are accepted first.
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvloop


class DrainingLoop(uvloop.Loop):
    async def create_server(  # type: ignore[override]  # uvicorn calls it in all of its ways
        self, protocol_factory: Callable[[], Any], **options: Any
    ) -> Any:
        server: Any = await super().create_server(protocol_factory, **options)
        close = server.close

        def accept_and_close() -> None:
            for listening in server.sockets:
                for connection in _waiting(listening.fileno()):
                    self.create_task(self.connect_accepted_socket(protocol_factory, connection))
            close()

        return _Listening(server, accept_and_close)


class _Listening:
    """A server with another close()."""

    def __init__(self, server: Any, close: Callable[[], None]) -> None:
        self._server = server
        self.close = close

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)


def _waiting(listening: int) -> list[socket.socket]:
    """The connections that wait at this file descriptor, accepted."""
    accepted = []
    with socket.socket(fileno=os.dup(listening)) as door, suppress(BlockingIOError):
        door.setblocking(False)
        while True:
            connection, _ = door.accept()
            connection.setblocking(False)
            accepted.append(connection)
    return accepted
