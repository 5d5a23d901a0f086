"""uvicorn in this process, or its supervisor over several workers."""

import contextlib
import errno
import functools
import logging
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from service.http.asgi_types import App
from service.http.connection import RESERVED_FILES, Connection, Connections, Limits, open_files_limit
from service.monitoring.shared_folder import SHARED_FOLDER
from service.settings import Settings

METRICS_BYTES = 4 * 2**20
"""On disk, for the metrics of one worker: several times what they take."""

log = logging.getLogger(__name__)


def serve_here(app: App, settings: Settings, connections: Connections, host: str, port: int) -> None:
    """Serve an ASGI application in this process until a signal ends it."""
    server = uvicorn.Server(_config(app, settings, connections, host, port))
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(1)


def serve_in_workers(settings: Settings, host: str, port: int) -> None:
    """Serve in settings.workers processes, and replace one that dies, until a signal ends all."""
    # Each worker would find a bad model only by itself, and be started again and again.
    if subprocess.run([sys.executable, "-m", "service", "--check"]).returncode != 0:
        sys.exit(1)
    with _shared_metrics(settings.workers):
        connections = connections_of(settings)
        # Pickled together with its protocol, so that in a worker both have the same Connections.
        app = functools.partial(_worker_app, connections)
        config = _config(app, settings, connections, host, port, factory=True)
        _Workers(config, [config.bind_socket()]).run()


def connections_of(settings: Settings) -> Connections:
    """No connections yet, with the limits of the settings and of the system.

    With no file left to open, clients would wait unanswered.
    """
    most = max(min(settings.max_connections, open_files_limit() - RESERVED_FILES), 1)
    return Connections(Limits(most, settings.head_seconds, settings.body_seconds))


def _worker_app(connections: Connections) -> App:
    from service.server.app import create_worker_app  # here: the supervisor needs nothing of it

    return create_worker_app(connections)


def _config(
    app: Any, settings: Settings, connections: Connections, host: str, port: int, factory: bool = False
) -> uvicorn.Config:
    protocol: Any = functools.partial(Connection, connections=connections)
    return uvicorn.Config(
        app,
        factory=factory,
        workers=settings.workers,
        host=host,
        port=port,
        http=protocol,
        loop="auto" if sys.platform == "win32" else "service.server.event_loop:DrainingLoop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=math.ceil(settings.deadline_ms / 1000) + 5,
    )


@contextlib.contextmanager
def _shared_metrics(workers: int) -> Iterator[None]:
    """A folder in which workers sum up their metrics; none where the disk is full or read-only."""
    with contextlib.ExitStack() as end:
        try:
            folder = end.enter_context(tempfile.TemporaryDirectory(prefix="glimpse-metrics-"))
            if shutil.disk_usage(folder).free < workers * METRICS_BYTES:
                # Mapped into memory: a page that the disk has no space for would kill the worker.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder)
        except OSError as error:
            log.warning("Each worker counts for itself, and /metrics shows one of them: %s", error)
        else:
            os.environ[SHARED_FOLDER] = folder  # read by prometheus_client in the workers
        yield


class _Workers(Multiprocess):
    def terminate_all(self) -> None:
        super().terminate_all()
        # While the supervisor holds the socket too, the system goes on accepting clients.
        for socket in self.sockets:
            socket.close()
