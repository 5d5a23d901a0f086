"""The servers that stand side by side: how each is started, asked and known to be ready."""

import os
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import httpx

from loadtests.bench import processes
from loadtests.bench.load import payloads
from loadtests.bench.load.payloads import Encode
from loadtests.pictures import Upload
from loadtests.server import REPO, SERVING, free_port

READY_WITHIN = 90.0
POLL = 0.01
"""Seconds between two looks whether a server is ready: starts are measured that finely."""


class ContenderError(Exception):
    """A server that does not install, start or answer rightly; the message says which and how."""


@dataclass(frozen=True)
class Contender:
    """python: of its environment. packages: whose versions matter, as in its lock file.

    ready: the path that answers 200 once pictures can be sent. encode, label: a picture as it wants it and
    the class out of its answer. path: where it classifies. In command and environment, {model} stands for
    the classifier of the zoo that it serves.
    """

    name: str
    title: str
    lock: Path
    python: Path
    packages: tuple[str, ...]
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready: str = "/readyz"
    path: str = "/classify"
    encode: Encode = payloads.form
    label: Callable[[Any], str] = lambda answer: str(answer["label"])


@dataclass(frozen=True)
class Running:
    """mark: finds its processes. ready_after: seconds from its start to the first 200."""

    url: str
    mark: str
    ready_after: float


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
            label=lambda answer: answer[0]["label"],  # of a batch of one
        ),
        _peer("litserve", "LitServe", ("litserve", "onnxruntime"), ready="/health"),
        _peer("ray", "Ray Serve", ("ray", "onnxruntime"), ready="/-/healthz"),
        _peer(
            "mlserver", "MLServer", ("mlserver", "onnxruntime"), ready="/v2/models/digits/ready",
            path="/v2/models/digits/infer", encode=payloads.tensor,
            label=lambda answer: answer["outputs"][0]["data"][0],
        ),
    )
}  # fmt: skip
"""In the order of the tables."""


def install(contender: Contender) -> None:
    """Its environment, from its lock file, where it is not there or older. Raises ContenderError."""
    target = contender.python.parent.parent.relative_to(REPO) / "ready"
    done = subprocess.run(["make", "--silent", str(target)], cwd=REPO, capture_output=True, text=True)
    if done.returncode:
        raise ContenderError(f"{contender.title} does not install:\n{done.stderr.strip()}")


def versions(contender: Contender) -> dict[str, str]:
    """Package -> version, from the lock file."""
    pinned = (line.split()[0] for line in contender.lock.read_text().splitlines() if "==" in line)
    found = dict(pin.split("==", 1) for pin in pinned if not pin.startswith("#"))
    return {package: found[package] for package in contender.packages}


@contextmanager
def running(contender: Contender, model: str, log: Path) -> Iterator[Running]:
    """Start it with the model as its classifier, end it and all its processes afterwards.

    Raises ContenderError.
    """
    mark, port = uuid.uuid4().hex, free_port()
    arguments = [part.format(model=model) for part in contender.command]
    settings = {name: value.format(model=model) for name, value in contender.environment.items()}
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, log.open("w") as output:
        environment = os.environ | settings | {
            processes.MARK: mark, "TMPDIR": scratch,
            "BENTOML_DO_NOT_TRACK": "True", "ORT_DISABLE_TELEMETRY": "1",
        }  # fmt: skip
        # A start that compiles every module anew is nobody's.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        begun = time.perf_counter()
        process = subprocess.Popen(
            [contender.python, *arguments, "--port", str(port)],
            cwd=REPO, env=environment, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
        try:
            _wait(contender, port, process, log)
            yield Running(f"http://127.0.0.1:{port}", mark, time.perf_counter() - begun)
        finally:
            processes.end(mark)
            process.wait()


def check(contender: Contender, url: str, uploads: Sequence[Upload]) -> None:
    """Every picture must get its own class. Raises ContenderError."""
    for upload in uploads:
        reply = post(url + contender.path, contender.encode(upload))
        if reply.status_code != 200:
            raise ContenderError(
                f"{contender.title} answers {reply.status_code} for {upload.name}: {reply.text[:300]}"
            )
        label = contender.label(reply.json())
        if label != upload.label:
            raise ContenderError(f"{contender.title} answers {label!r} for {upload.name}")


def post(url: str, body: payloads.Body) -> httpx.Response:
    """Raises ContenderError where there is no answer at all."""
    headers = {"Content-Type": body.content_type}
    try:
        return httpx.post(url, content=body.content, headers=headers, timeout=60)
    except httpx.HTTPError as error:
        raise ContenderError(f"{url} does not answer: {error!r}") from error


def _wait(contender: Contender, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not _ready(port, contender.ready):
        if process.poll() is not None or time.monotonic() > deadline:
            how = "ended" if process.poll() is not None else f"was not ready after {READY_WITHIN:.0f} s"
            raise ContenderError(f"{contender.title} {how}:\n{log.read_text()[-3000:]}")
        time.sleep(POLL)


def _ready(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
