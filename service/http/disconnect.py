"""Clients that disconnect, and work that is then in vain."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from service.http.asgi_types import Receive

Result = TypeVar("Result")


class ClientDisconnected(Exception):
    """The client closed its connection before the response."""


async def cancel_on_disconnect(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which is cancelled when the client disconnects.

    Args:
        receive: Of a request whose body was read to its end.
        work: What the request waits for.

    Raises:
        ClientDisconnected: The client closed its connection first.
    """
    task = asyncio.current_task()
    assert task is not None
    disconnected = False

    async def watch() -> None:
        nonlocal disconnected
        while (await receive())["type"] != "http.disconnect":
            pass
        disconnected = True
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if disconnected:
            task.uncancel()
            raise ClientDisconnected from None
        raise
    finally:
        watcher.cancel()
