"""uvicorn in one process, or in each of several workers."""

import asyncio
import contextlib
import functools
import gc
import math
import os
import signal
import sys
from typing import Any, NoReturn

import uvicorn

from service import malloc
from service.application import Application
from service.http.connection import Connection
from service.inference.session import OpenModels
from service.monitoring.shared.worker_group import WorkerGroup
from service.server.app import create_app
from service.server.opening import explained
from service.server.supervisor import Supervisor, listen
from service.settings import Settings


def serve_here(settings: Settings, host: str, port: int) -> None:
    """Serve in this process until a signal ends it."""
    application = check(settings)
    config = _config(application, host, port)
    config.loop = "auto" if sys.platform == "win32" else "service.server.event_loop:DrainingLoop"
    server = uvicorn.Server(config)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(1)


def serve_in_workers(
    settings: Settings, workers: int, opened: OpenModels | None, host: str, port: int
) -> NoReturn:
    """Serve in this many processes, and replace one that dies, until a signal ends all.

    Args:
        settings: Of the service.
        workers: Processes.
        opened: Models for all of them; None where each has to open its own.
        host: Address to listen on.
        port: To listen on.
    """
    try:
        listening = listen(host, port)
    except OSError as error:
        sys.exit(f"error: cannot listen on {host}:{port}: {error.strerror}")
    # A garbage collection would write into every object, and so copy the pages that the workers share.
    gc.collect()
    gc.freeze()
    malloc.trim()

    def run_worker(group: WorkerGroup, supervisor_pipe: int) -> None:
        from service.server.event_loop import WorkerLoop  # here: there is no uvloop on Windows

        application = Application.open(settings, group, opened)
        server = uvicorn.Server(_config(application, host, port))
        loop = WorkerLoop()
        loop.open_connections = group.open_connections
        # Readable once the supervisor has ended, however it did.
        loop.add_reader(supervisor_pipe, _end_without_supervisor, loop, supervisor_pipe)
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(server.serve(sockets=[listening]))

    sys.exit(Supervisor(WorkerGroup(workers), run_worker, settings.batch_seconds, listening.close).run())


def check(settings: Settings) -> Application:
    """Open everything for a single process, or end with exit code 1 and the reason."""
    with explained(settings):
        return Application.open(settings)


def _end_without_supervisor(loop: asyncio.AbstractEventLoop, supervisor_pipe: int) -> None:
    loop.remove_reader(supervisor_pipe)
    os.kill(os.getpid(), signal.SIGTERM)


def _config(application: Application, host: str, port: int) -> uvicorn.Config:
    settings = application.settings
    protocol: Any = functools.partial(Connection, connections=application.connections)
    return uvicorn.Config(
        create_app(application),
        host=host,
        port=port,
        http=protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # service/http/forwarded.py
        timeout_graceful_shutdown=math.ceil(settings.deadline_ms / 1000) + 5,
    )
