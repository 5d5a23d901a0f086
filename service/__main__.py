"""`python -m service`: open and check everything, then serve, in a worker for each core.

`bentoml serve` serves the same service. This starts faster, keeps BentoML's middleware off the calls that
carry pictures, and ends with a reason and exit code 1 where a setting, a model file or the device is bad.
"""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

from service import malloc
from service.cores import usable_cores
from service.launch.options import read_options
from service.launch.port import SERVE, PortError
from service.monitoring.logging import configure_logging
from service.monitoring.shared.folder import new_shared_folder
from service.settings import Settings, SettingsError, read_settings

SHARED_MEMORY = "/dev/shm"  # noqa: S108  # a folder of the system, used where no other can be written


def main() -> None:
    """Read the command line and the settings, then serve."""
    # uvicorn raises the signal that ended it once more when all is answered; by default that would be a
    # death with exit code -15.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        options = read_options()
        settings = read_settings(serve=options.word == SERVE)
    except (PortError, SettingsError) as error:
        sys.exit(f"error: {error}")
    configure_logging(settings.log_format)
    malloc.limit_arenas()
    _find_temporary_folder()
    workers = 1 if options.check else settings.workers or _default_workers(settings)
    with new_shared_folder(workers) if workers > 1 else contextlib.nullcontext():
        if workers > 1:
            _serve_in_workers(settings, workers, options)
        else:
            _serve_or_check(settings, options)


def _default_workers(settings: Settings) -> int:
    """One for each core, as the work is half Python; one on a GPU, which each worker would take memory of."""
    from service.inference.device import DeviceError, choose_device

    # Libraries of macOS do not survive a fork, and Windows has none.
    if sys.platform != "linux":
        return 1
    try:
        return 1 if choose_device(settings.device).name == "cuda" else usable_cores()
    except DeviceError:
        return 1  # which says why when it opens the models


# Imports follow here: prometheus_client looks for the shared folder when it is imported.


def _serve_or_check(settings: Settings, options: argparse.Namespace) -> None:
    from service.server import serve

    if options.check:
        serve.check(settings)
    else:
        serve.serve_here(settings, options.host, options.port)


def _serve_in_workers(settings: Settings, workers: int, options: argparse.Namespace) -> None:
    from service.server.opening import open_for_workers

    # BentoML takes as long to import as the models to open.
    with ThreadPoolExecutor(1) as thread:  # which has ended when the first worker is forked
        opening = thread.submit(open_for_workers, settings)
        from service.server import serve
        from service.server.app import import_application

        import_application()
        opened = opening.result()
    serve.serve_in_workers(settings, workers, opened, options.host, options.port)


def _find_temporary_folder() -> None:
    """BentoML makes one at its start, empty, and fails with a page of traceback where it cannot."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        if not os.access(SHARED_MEMORY, os.W_OK):
            sys.exit("error: no folder can be written; mount one on /tmp (--tmpfs /tmp) or set TMPDIR.")
        os.environ["TMPDIR"] = SHARED_MEMORY  # the workers look there too


if __name__ == "__main__":
    main()
