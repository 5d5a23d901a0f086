"""The life of a serving process: what runs beside the requests, and how it ends without losing one.

On SIGTERM, /readyz says 503 at once and every response from then on closes its connection, so that load
balancers and clients turn elsewhere. After `drain_seconds` no connection is accepted any more, what has been
accepted is answered, and the process ends with exit code 0.
"""

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator
from types import FrameType

from service import malloc
from service.application import Application
from service.http.connections import Connections
from service.monitoring.tracing import Trace

log = logging.getLogger(__name__)

SHUTDOWN_GRACE_S = 5.0
"""For threads to end, once the last request is answered."""

SWEEP_INTERVAL_S = 1.0
"""Between two looks at how long clients have kept the service waiting."""

TRIM_INTERVAL_S = 5.0
"""Between two trims of freed memory: 2 to 13 ms in a thread, for 20 to 50 MB of each worker after a flood
(docs/log.md)."""


@contextlib.asynccontextmanager
async def lifespan(application: Application, trace: Trace | None = None) -> AsyncIterator[None]:
    """Entered when the server has its signal handlers, left when the last request is answered.

    Args:
        application: Whose connections are watched, and drained on SIGTERM.
        trace: Spans that are still to be sent at the end.
    """
    connections = application.connections
    _drain_before(signal.SIGTERM, connections, application.settings.drain_seconds)
    tasks = [
        asyncio.create_task(_sweep(application)),
        asyncio.create_task(_trim()),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        # A thread in which a model hangs would keep the process for ever.
        end = threading.Timer(SHUTDOWN_GRACE_S, os._exit, (0,))
        end.daemon = True
        end.start()
        if trace is not None:
            await asyncio.to_thread(trace.close)


def _drain_before(signum: signal.Signals, connections: Connections, drain_seconds: float) -> None:
    """Put off what the server does on this signal; a second signal does not wait."""
    loop = asyncio.get_running_loop()
    ends = signal.getsignal(signum)
    if not callable(ends):
        return  # not under a server that ends in order: nothing to put off

    def handle(number: int, frame: FrameType | None) -> None:
        if connections.draining:
            ends(number, frame)
            return
        connections.draining = True
        # Not logged here: a signal handler may have interrupted the log itself.
        message = "ending: not ready, no new connections in %.1f s"
        loop.call_soon_threadsafe(log.info, message, drain_seconds)
        loop.call_soon_threadsafe(loop.call_later, drain_seconds, ends, number, None)

    signal.signal(signum, handle)


async def _sweep(application: Application) -> None:
    """Tell the supervisor and the other workers how this one is, and look after slow clients."""
    group = application.group
    while True:
        group.heartbeats.own += 1
        group.unready.own = bool(application.catalog.unready_reason)
        await asyncio.sleep(SWEEP_INTERVAL_S)
        application.connections.tick(SWEEP_INTERVAL_S)


async def _trim() -> None:
    while True:
        await asyncio.sleep(TRIM_INTERVAL_S)
        with contextlib.suppress(RuntimeError):  # no thread can be started just now
            await asyncio.to_thread(malloc.trim)
