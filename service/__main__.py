"""`python -m service`: open and check everything, then serve, in one process or in GLIMPSE_WORKERS.

`bentoml serve` serves the same service. This starts faster, keeps BentoML's middleware off the calls
that carry pictures, and ends with a reason and exit code 1 where a setting, a model file or the device
is bad.
"""

import argparse
import contextlib
import errno
import logging
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import uvicorn
from pydantic import ValidationError
from uvicorn.supervisors import Multiprocess

from models.model import ZooError
from service.inference.device import DeviceError
from service.monitoring.logging import configure_logging
from service.monitoring.prediction_log import jsonl_files as log_files
from service.settings import Settings

METRICS_BYTES = 4 * 2**20
"""On disk, for the metrics of one worker: several times what they take."""

SHARED_MEMORY = "/dev/shm"  # noqa: S108  # a folder of the system, where no other can be written

log = logging.getLogger(__name__)


def main() -> None:
    # uvicorn raises the signal that ended it once more when all is answered; by default that would be a
    # death with exit code -15.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    parser = argparse.ArgumentParser(prog="python -m service", description="Serve the models of the zoo.")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on (default: all)")  # noqa: S104
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--check", action="store_true", help="open and verify everything, then end")
    options = parser.parse_args()
    settings = _settings()
    configure_logging(settings.log_format)
    _find_temporary_folder()
    if settings.workers > 1 and not options.check:
        _check_in_a_process_of_its_own()
        with _metrics_of_all(settings.workers):
            _serve(options.host, options.port, settings)
        return
    _open()
    if not options.check:
        _serve(options.host, options.port, settings)


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        wrong = [f"GLIMPSE_{'.'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()]
        sys.exit("error: " + "\n       ".join(wrong))


def _find_temporary_folder() -> None:
    """BentoML makes one at its start, empty, and fails with a page of traceback where it cannot."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        if not os.access(SHARED_MEMORY, os.W_OK):
            sys.exit("error: no folder can be written; mount one on /tmp (--tmpfs /tmp) or set TMPDIR.")
        os.environ["TMPDIR"] = SHARED_MEMORY  # the workers look there too


@contextlib.contextmanager
def _metrics_of_all(workers: int) -> Iterator[None]:
    """A folder in which workers sum up their metrics; none where the disk is full or read-only."""
    with contextlib.ExitStack() as end:
        try:
            folder = end.enter_context(tempfile.TemporaryDirectory(prefix="glimpse-metrics-"))
            if shutil.disk_usage(folder).free < workers * METRICS_BYTES:
                # Mapped into memory: a page that the disk has no room for would kill the worker.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder)
        except OSError as error:
            log.warning("Each worker counts for itself, and /metrics shows one of them: %s", error)
        else:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder  # read by prometheus_client in the workers
        yield


def _open() -> None:
    from service.repository import catalog

    try:
        if folder := Settings().prediction_log:
            log_files.check(folder)
        catalog.opened()
    except (ZooError, DeviceError, log_files.LogError) as error:
        sys.exit(f"error: {error}")


def _check_in_a_process_of_its_own() -> None:
    """Once for all workers, which uvicorn would start again and again; its memory is free afterwards."""
    if subprocess.run([sys.executable, "-m", "service", "--check"]).returncode != 0:
        sys.exit(1)


def _serve(host: str, port: int, settings: Settings) -> None:
    config = uvicorn.Config(
        "service.server.app:create",
        factory=True,
        host=host,
        port=port,
        http="service.http.connection:Connection",
        loop="auto" if sys.platform == "win32" else "service.server.event_loop:DrainingLoop",
        ws="none",
        lifespan="on",
        workers=settings.workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=math.ceil(settings.deadline_ms / 1000) + 5,
    )
    if settings.workers > 1:
        _Workers(config, [config.bind_socket()]).run()
        return
    server = uvicorn.Server(config)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(1)


class _Workers(Multiprocess):
    def terminate_all(self) -> None:
        super().terminate_all()
        # While the supervisor holds the socket too, the system goes on accepting clients for nobody.
        for socket in self.sockets:
            socket.close()


if __name__ == "__main__":
    main()
