"""A contender that runs: its start, a check of its answers, its CPU time, its end."""

import os
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from loadtests.bench import processes
from loadtests.bench.contenders import Contender, ContenderError
from loadtests.bench.cores import pinned
from loadtests.bench.load.closed_loop import closed_loop
from loadtests.bench.load.payloads import Body
from loadtests.pictures import Upload
from loadtests.server import REPO, ServerError, free_port, wait_until_ready

READY_POLL_INTERVAL_S = 0.01
"""The precision of the measured start."""


@dataclass(frozen=True)
class RunningServer:
    """A contender that runs and is ready.

    Attributes:
        contender: What runs.
        url: Its base URL.
        mark: The mark of its processes.
        ready_after_s: Seconds from its start until it was ready.
    """

    contender: Contender
    url: str
    mark: str
    ready_after_s: float

    def closed_loop(
        self, path: str, bodies: Sequence[Body], connections: int, seconds: int, scratch: Path,
        core: int | None = None,
    ) -> dict[str, float]:  # fmt: skip
        """The figures of a closed loop, and the CPU time of all processes per answer.

        Raises:
            CommandError: wrk failed.
        """
        with processes.CpuTime(self.mark) as cpu:
            result = closed_loop(self.url + path, bodies, connections, seconds, scratch, core)
        return asdict(result) | ({"cpu_ms": 1e3 * cpu.seconds / result.answers} if result.answers else {})


@contextmanager
def running(contender: Contender, model: str, log: Path, core: int | None = None) -> Iterator[RunningServer]:
    """Start a contender with this classifier, and end all its processes afterwards.

    Args:
        contender: What to start.
        model: The classifier that it serves.
        log: The file that its output is written to.
        core: The one core that it runs on; None for all.

    Raises:
        ContenderError: It did not start.
    """
    mark, port = uuid.uuid4().hex, free_port()
    arguments = [part.format(model=model) for part in contender.command]
    settings = {name: value.format(model=model) for name, value in contender.environment.items()}
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, log.open("w") as output:
        environment = os.environ | settings | {
            processes.MARK: mark, "TMPDIR": scratch,
            "BENTOML_DO_NOT_TRACK": "True", "ORT_DISABLE_TELEMETRY": "1",
        }  # fmt: skip
        # With it, every start would compile every module anew.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        began_at = time.perf_counter()
        process = subprocess.Popen(
            pinned([contender.python, *arguments, "--port", str(port)], core),
            cwd=REPO, env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(url, process, log, contender.ready_path, READY_POLL_INTERVAL_S)
            yield RunningServer(contender, url, mark, time.perf_counter() - began_at)
        except ServerError as error:
            raise ContenderError(f"{contender.title}: {str(error)[-3000:]}") from error
        finally:
            processes.end(mark)
            process.wait()


def check_labels(server: RunningServer, uploads: Sequence[Upload]) -> None:
    """Check that the server gives every picture its own class, in every form that it takes.

    Raises:
        ContenderError: It gives one another class or no 200.
    """
    contender = server.contender
    for encode in contender.bodies.values():
        for upload in uploads:
            response = post(server.url + contender.path, encode(upload))
            if response.status_code != 200:
                problem = f"{response.status_code} for {upload.name}: {response.text[:300]}"
                raise ContenderError(f"{contender.title} answers {problem}")
            try:
                label = contender.read_label(response)
            except (ValueError, LookupError, TypeError) as error:
                raise ContenderError(f"{contender.title} answers {response.content[:300]!r}") from error
            if label != upload.label:
                raise ContenderError(f"{contender.title} answers {label!r} for {upload.name}")


def post(url: str, body: Body) -> httpx.Response:
    """Post a body.

    Raises:
        ContenderError: There is no response.
    """
    try:
        return httpx.post(url, content=body.content, headers=body.headers, timeout=60)
    except httpx.HTTPError as error:
        raise ContenderError(f"{url} does not answer: {error!r}") from error
