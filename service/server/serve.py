"""uvicorn in one process, or in each of several workers."""

import asyncio
import contextlib
import functools
import gc
import math
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import uvicorn

from models.model import ZooError, find_model_files
from service import malloc
from service.application import Application
from service.http.connection import Connection
from service.inference.device import DeviceError, choose_device
from service.inference.session import OpenModels, open_models
from service.monitoring.prediction_log import jsonl_files
from service.monitoring.shared.worker_group import WorkerGroup
from service.server.app import create_app, import_application
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


def serve_in_workers(settings: Settings, workers: int, host: str, port: int) -> NoReturn:
    """Serve in this many processes, and replace one that dies, until a signal ends all."""
    # BentoML's server takes as long to import as the models to open; that is done once for all workers too.
    with ThreadPoolExecutor(1) as thread:  # it has ended when the first worker is forked
        opening = thread.submit(_open_models, settings)
        import_application()
        opened = opening.result()
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
    """Open everything for a single process, or end with exit code 1 and the reason.

    The reason: a model file is bad, the device is not there, the prediction log cannot be written.
    """
    with _explained():
        if settings.prediction_log:
            jsonl_files.check(settings.prediction_log)
        return Application.open(settings)


def _open_models(settings: Settings) -> OpenModels | None:
    """Models for all workers; None on a GPU, whose state no fork may copy: each worker opens them then.

    Ends the process as `check` does.
    """
    with _explained():
        if settings.prediction_log:
            jsonl_files.check(settings.prediction_log)
        if choose_device(settings.device).name == "cuda":
            return None
        return open_models(find_model_files(settings.models_dir), settings)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (ZooError, DeviceError, jsonl_files.LogError) as error:
        sys.exit(f"error: {error}")


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
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=math.ceil(settings.deadline_ms / 1000) + 5,
    )
