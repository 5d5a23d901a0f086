"""Clients that disconnect, and work that is then in vain."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from service.http.asgi_types import Receive, Scope

Result = TypeVar("Result")

CONNECTION = "glimpse.connection"
"""In the scope of a request: our own connection, which tells of a disconnect at the cost of a call."""


class ClientDisconnected(Exception):
    """The client closed its connection before the response."""


async def cancel_on_disconnect(scope: Scope, receive: Receive, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which is cancelled when the client disconnects.

    Args:
        scope: Of the request.
        receive: Of the request, whose body was read to its end.
        work: What the request waits for.

    Raises:
        ClientDisconnected: The client closed its connection first.
    """
    task = asyncio.current_task()
    assert task is not None
    disconnected = False

    def cancel() -> None:
        nonlocal disconnected
        disconnected = True
        task.cancel()

    connection = scope.get(CONNECTION)
    with _told_by(connection, cancel) if connection else _watched(receive, cancel):
        try:
            return await work
        except asyncio.CancelledError:
            if disconnected:
                task.uncancel()
                raise ClientDisconnected from None
            raise


@contextmanager
def _told_by(connection: Any, cancel: Callable[[], None]) -> Iterator[None]:
    connection.on_disconnect, before = cancel, connection.on_disconnect
    try:
        yield
    finally:
        connection.on_disconnect = before


@contextmanager
def _watched(receive: Receive, cancel: Callable[[], None]) -> Iterator[None]:
    """Behind another server a task of its own waits for the message that ASGI has for it."""

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        cancel()

    watcher = asyncio.create_task(watch())
    try:
        yield
    finally:
        watcher.cancel()
