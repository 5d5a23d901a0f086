"""A real server in its own process, from the environment that `make run` uses."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

REPO = Path(__file__).parent.parent
SERVING = REPO / ".venv" / "bin"
READY_WITHIN = 60.0


@contextmanager
def serving(models_dir: Path, log: Path, **settings: str) -> Iterator[str]:
    """Serve models_dir on a free port and yield the base URL. settings: GLIMPSE_ variables."""
    environment = {
        **os.environ,
        "GLIMPSE_MODELS_DIR": str(models_dir),
        "GLIMPSE_DRAIN_SECONDS": "0",  # nobody's load balancer has to notice
        **{f"GLIMPSE_{name.upper()}": value for name, value in settings.items()},
    }
    with started([SERVING / "python", "-m", "service"], REPO, environment, log) as url:
        yield url


@contextmanager
def started(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str], log: Path
) -> Iterator[str]:
    """Run a server's command in folder on a free port, yield its base URL once it is ready."""
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
            process.terminate()
            process.wait(timeout=30)


def wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise AssertionError(f"the server ended with {process.returncode}:\n{log.read_text()}")
        try:
            if httpx.get(f"{url}/readyz", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"not ready after {READY_WITHIN:.0f} s:\n{log.read_text()}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
