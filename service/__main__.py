"""`python -m service`: open and check everything, then serve, in one process or in GLIMPSE_WORKERS.

`bentoml serve` serves the same service. This starts faster, keeps BentoML's middleware off the calls that
carry pictures, and ends with a reason and exit code 1 where a setting, a model file or the device is bad.
"""

import argparse
import os
import signal
import sys
import tempfile

from service.monitoring.logging import configure_logging
from service.settings import Settings, SettingsError, read_settings

SHARED_MEMORY = "/dev/shm"  # noqa: S108  # a folder of the system, used where no other can be written


def main() -> None:
    """Read the command line and the settings, then serve."""
    # uvicorn raises the signal that ended it once more when all is answered; by default that would be a
    # death with exit code -15.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    options = _options()
    try:
        settings = read_settings()
    except SettingsError as error:
        sys.exit(f"error: {error}")
    configure_logging(settings.log_format)
    _find_temporary_folder()
    if settings.workers > 1 and not options.check:
        from service.server.supervisor import serve_in_workers

        serve_in_workers(settings, options.host, options.port)
    else:
        _serve_or_check(settings, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m service", description="Serve the models of the zoo.")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on (default: all)")  # noqa: S104
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--check", action="store_true", help="open and verify everything, then end")
    return parser.parse_args()


def _find_temporary_folder() -> None:
    """BentoML makes one at its start, empty, and fails with a page of traceback where it cannot."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        if not os.access(SHARED_MEMORY, os.W_OK):
            sys.exit("error: no folder can be written; mount one on /tmp (--tmpfs /tmp) or set TMPDIR.")
        os.environ["TMPDIR"] = SHARED_MEMORY  # the workers look there too


def _serve_or_check(settings: Settings, options: argparse.Namespace) -> None:
    # Here: the process that only supervises workers needs no models in its memory.
    from models.model import ZooError
    from service.application import Application
    from service.inference.device import DeviceError
    from service.monitoring.prediction_log import jsonl_files
    from service.server.app import create_app
    from service.server.supervisor import connections_of, serve_here

    connections = connections_of(settings)
    try:
        if settings.prediction_log:
            jsonl_files.check(settings.prediction_log)
        application = Application.open(settings, connections)
    except (ZooError, DeviceError, jsonl_files.LogError) as error:
        sys.exit(f"error: {error}")
    if not options.check:
        serve_here(create_app(application), settings, connections, options.host, options.port)


if __name__ == "__main__":
    main()
