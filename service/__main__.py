"""`python -m service`: open and check everything, then serve, in one process or in GLIMPSE_WORKERS.

`bentoml serve` serves the same service. This starts faster, keeps BentoML's middleware off the calls
that carry pictures, and ends with a reason and exit code 1 where a setting, a model file or the device
is bad.
"""

import argparse
import os
import subprocess
import sys
import tempfile

import uvicorn
from pydantic import ValidationError

from models.zoo import ZooError
from service import log_files, logs
from service.session import DeviceError
from service.settings import Settings


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m service", description="Serve the models of the zoo.")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on (default: all)")  # noqa: S104
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--check", action="store_true", help="open and verify everything, then end")
    options = parser.parse_args()
    settings = _settings()
    logs.configure(settings.log_format)
    if settings.workers > 1 and not options.check:
        _check_in_a_process_of_its_own()
        with tempfile.TemporaryDirectory(prefix="glimpse-metrics-") as folder:
            # Read by prometheus_client in the workers.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
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


def _open() -> None:
    from service import catalog  # here: the process that only supervises workers needs none of it

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
    uvicorn.run(
        "service.asgi:create",
        factory=True,
        host=host,
        port=port,
        workers=settings.workers,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # nothing here asks for the client's address
    )


if __name__ == "__main__":
    main()
