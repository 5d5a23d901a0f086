"""A real server in a process of its own, run from the environment of `make run`."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

REPO = Path(__file__).parent.parent
SERVING = REPO / ".venv" / "bin"

READY_WITHIN_S = 120.0
"""Generous: a start takes one second on a quiet machine and many on a shared one."""

ENDS_WITHIN_S = 30.0
CHILDREN_END_WITHIN_S = 5.0
"""Counted from the end of the server itself."""

KILLED_WITHIN_S = 10.0
"""Some time passes between SIGKILL and the end of a process."""

POLL_INTERVAL_S = 0.1


class ServerError(AssertionError):
    """A server that does not start or does not end; to pytest a failure, not an error."""


@contextmanager
def serving(models_dir: Path, log: Path, **settings: str) -> Iterator[str]:
    """Serve a folder of models on a free port.

    Args:
        models_dir: GLIMPSE_MODELS_DIR of the server.
        log: The file that its output is written to.
        **settings: Other GLIMPSE_ variables, by their names in lower case without the prefix.

    Yields:
        The base URL of the server, once it is ready.

    Raises:
        ServerError: The server did not start or did not end.
    """
    environment = {
        **os.environ,
        "GLIMPSE_MODELS_DIR": str(models_dir),
        "GLIMPSE_DRAIN_SECONDS": "0",  # there is no load balancer that has to notice
        **{f"GLIMPSE_{name.upper()}": value for name, value in settings.items()},
    }
    with started([SERVING / "python", "-m", "service"], REPO, environment, log) as url:
        yield url


@contextmanager
def started(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], log: Path
) -> Iterator[str]:
    """Run the command of a server, with `--port` and a free port added.

    Yields:
        The base URL of the server, once it is ready.

    Raises:
        ServerError: The server did not start or did not end.
    """
    port = free_port()
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(url, process, log)
            yield url
        finally:
            _stop(process, log)


def wait_until_ready(
    url: str,
    process: subprocess.Popen[bytes],
    log: Path,
    path: str = "/readyz",
    interval_s: float = POLL_INTERVAL_S,
) -> None:
    """Poll a path of the server until it answers 200.

    Raises:
        ServerError: The process ended first, or READY_WITHIN_S passed.
    """
    deadline = time.monotonic() + READY_WITHIN_S
    with httpx.Client(timeout=5) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ServerError(f"the server ended with {process.returncode}:\n{log.read_text()}")
            with contextlib.suppress(httpx.TransportError):
                if client.get(f"{url}{path}").status_code == 200:
                    return
            time.sleep(interval_s)
    raise ServerError(f"the server is not ready after {READY_WITHIN_S:.0f} s:\n{log.read_text()}")


def free_port() -> int:
    """A TCP port that nothing listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _stop(process: subprocess.Popen[bytes], log: Path) -> None:
    """End the server and everything that it started, by force if necessary.

    Raises:
        ServerError: Something had to be killed.
    """
    children: list[psutil.Process] = []
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True)
    process.terminate()
    problems = []
    try:
        process.wait(timeout=ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        problems.append(f"the server did not end within {ENDS_WITHIN_S:.0f} s of SIGTERM")
    _, alive = psutil.wait_procs(children, timeout=CHILDREN_END_WITHIN_S)
    for child in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            problems.append(f"the server left a process behind: {' '.join(child.cmdline())}")
            child.kill()
    psutil.wait_procs(alive, timeout=KILLED_WITHIN_S)
    if problems:
        raise ServerError("\n".join([*problems, log.read_text()]))
