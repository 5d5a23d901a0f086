"""The servers that are compared: how each is started and called."""

import os
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from loadtests.bench import processes
from loadtests.bench.load import payloads
from loadtests.bench.load.payloads import Encoder
from loadtests.pictures import Upload
from loadtests.server import REPO, SERVING, ServerError, free_port, wait_until_ready
from loadtests.subprocesses import run

READY_POLL_INTERVAL_S = 0.01
"""The precision of the measured start."""


class ContenderError(Exception):
    """A server that does not install, start or respond correctly."""


@dataclass(frozen=True)
class Contender:
    """One of the servers.

    In command and environment, {model} stands for the classifier that it serves.

    Attributes:
        name: On the command line and in the samples.
        title: In the tables.
        lock: Its lock file.
        python: The interpreter of its environment.
        packages: Those whose versions the report states.
        command: Arguments of the interpreter; `--port` is added.
        environment: Variables beside our own.
        ready_path: Answers 200 once pictures can be sent.
        path: Where it classifies.
        encode: Makes the body of a request from a picture.
        read_label: Reads the class from the JSON of a response.
    """

    name: str
    title: str
    lock: Path
    python: Path
    packages: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_path: str = "/readyz"
    path: str = "/classify"
    encode: Encoder = payloads.form
    read_label: Callable[[Any], str] = lambda fields: str(fields["label"])


@dataclass(frozen=True)
class RunningServer:
    """A contender that runs and is ready.

    Attributes:
        url: Its base URL.
        mark: The mark of its processes.
        ready_after_s: Seconds from its start until it was ready.
    """

    url: str
    mark: str
    ready_after_s: float


def _peer(name: str, title: str, packages: tuple[str, ...], **differences: Any) -> Contender:
    return Contender(
        name, title, REPO / f"loadtests/peers/locks/{name}.txt", REPO / f".venv-peers/{name}/bin/python",
        packages, ("-m", f"loadtests.peers.{name}_server", "--model", "{model}"), **differences,
    )  # fmt: skip


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender(
            "glimpse", "Glimpse", REPO / "deploy/locks/serve.txt", SERVING / "python",
            ("bentoml", "uvicorn", "onnxruntime-gpu"), ("-m", "service", "--host", "127.0.0.1"),
            environment={"GLIMPSE_DEFAULT_CLASSIFIER": "{model}"},
        ),
        _peer("fastapi", "FastAPI", ("fastapi", "uvicorn", "onnxruntime")),
        _peer(
            "bentoml", "stock BentoML", ("bentoml", "onnxruntime"),
            read_label=lambda fields: fields[0]["label"],  # of a batch of one
        ),
        _peer("litserve", "LitServe", ("litserve", "onnxruntime"), ready_path="/health"),
        _peer("ray", "Ray Serve", ("ray", "onnxruntime"), ready_path="/-/healthz"),
        _peer(
            "mlserver", "MLServer", ("mlserver", "onnxruntime"), ready_path="/v2/models/digits/ready",
            path="/v2/models/digits/infer", encode=payloads.tensor,
            read_label=lambda fields: fields["outputs"][0]["data"][0],
        ),
    )
}  # fmt: skip
"""In the order of the tables."""


def install(contender: Contender) -> None:
    """Bring the contender's environment up to its lock file.

    Raises:
        ContenderError: The installation failed.
    """
    target = contender.python.parent.parent.relative_to(REPO) / "ready"
    completed = run(["make", "--silent", str(target)])
    if completed.returncode:
        raise ContenderError(f"{contender.title} does not install:\n{completed.stderr.strip()}")


def versions(contender: Contender) -> dict[str, str]:
    """The versions in the lock file by package."""
    pins = (line.split()[0] for line in contender.lock.read_text().splitlines() if "==" in line)
    locked = dict(pin.split("==", 1) for pin in pins if not pin.startswith("#"))
    return {package: locked[package] for package in contender.packages}


@contextmanager
def running(contender: Contender, model: str, log: Path) -> Iterator[RunningServer]:
    """Start a contender with this classifier, and end all its processes afterwards.

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
            [contender.python, *arguments, "--port", str(port)],
            cwd=REPO, env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(url, process, log, contender.ready_path, READY_POLL_INTERVAL_S)
            yield RunningServer(url, mark, time.perf_counter() - began_at)
        except ServerError as error:
            raise ContenderError(f"{contender.title}: {str(error)[-3000:]}") from error
        finally:
            processes.end(mark)
            process.wait()


def check_labels(contender: Contender, url: str, uploads: Sequence[Upload]) -> None:
    """Check that the contender gives every picture its own class.

    Raises:
        ContenderError: It gives one another class or no 200.
    """
    for upload in uploads:
        response = post(url + contender.path, contender.encode(upload))
        if response.status_code != 200:
            raise ContenderError(
                f"{contender.title} answers {response.status_code} for {upload.name}: {response.text[:300]}"
            )
        label = contender.read_label(response.json())
        if label != upload.label:
            raise ContenderError(f"{contender.title} answers {label!r} for {upload.name}")


def post(url: str, body: payloads.Body) -> httpx.Response:
    """Post a body.

    Raises:
        ContenderError: There is no response.
    """
    headers = {"Content-Type": body.content_type}
    try:
        return httpx.post(url, content=body.content, headers=headers, timeout=60)
    except httpx.HTTPError as error:
        raise ContenderError(f"{url} does not answer: {error!r}") from error
