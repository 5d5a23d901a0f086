"""The servers that are compared: what each is and how it is called."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from loadtests.bench import cores
from loadtests.bench.load import payloads
from loadtests.bench.load.payloads import Encoder
from loadtests.server import REPO, SERVING
from loadtests.subprocesses import UnavailableError, run

OURS = "glimpse"

BARE = "bare"
"""Stands beside the servers in samples: the loop of loadtests/bench/baseline.py."""

BODIES: Mapping[str, Encoder] = {"raw": payloads.raw_body, "form": payloads.form}
"""How most servers take a picture, by row."""

WORKERS = max(cores.COUNT, 2)
"""Of the peers with several worker processes: one per core, two at least."""


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
        bodies: Makes the body of a request from a picture, by the row that it belongs to.
        read_label: Reads the class from a response.
        prices: Whether it prices cars at /price too.
        needs: Files that it cannot run without, each with the Debian package that brings it.
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
    bodies: Mapping[str, Encoder] = field(default_factory=lambda: {"form": payloads.form})
    read_label: Callable[[httpx.Response], str] = lambda response: str(response.json()["label"])
    prices: bool = False
    needs: Mapping[Path, str] = field(default_factory=dict)

    @property
    def encode(self) -> Encoder:
        """The first form in which it takes pictures."""
        return next(iter(self.bodies.values()))


def _peer(
    name: str, title: str, packages: tuple[str, ...], *options: str, folder: str = "", **differences: Any
) -> Contender:
    folder = folder or name
    return Contender(
        name, title, REPO / f"loadtests/peers/locks/{folder}.txt",
        REPO / f".venv-peers/{folder}/bin/python", packages,
        ("-m", f"loadtests.peers.{folder}_server", "--model", "{model}", *options), **differences,
    )  # fmt: skip


def _first_tensor(response: httpx.Response) -> str:
    """The one BYTES element, behind its length, of the first tensor of Triton's binary responses."""
    tensors = response.content[int(response.headers["Inference-Header-Content-Length"]) :]
    return tensors[4 : 4 + int.from_bytes(tensors[:4], "little")].decode()


CONTENDERS = {
    contender.name: contender
    for contender in (
        Contender(
            OURS, "Glimpse", REPO / "deploy/locks/serve.txt", SERVING / "python",
            ("bentoml", "uvicorn", "onnxruntime-gpu"), ("-m", "service", "--host", "127.0.0.1"),
            environment={"GLIMPSE_DEFAULT_CLASSIFIER": "{model}"}, bodies=BODIES, prices=True,
        ),
        _peer(
            "mosec", f"mosec, {WORKERS} workers", ("mosec", "onnxruntime"), "--workers", str(WORKERS),
            ready_path="/", bodies={"raw": payloads.raw_body},
        ),
        _peer(
            "fastapi-workers", f"FastAPI, {WORKERS} workers", ("fastapi", "uvicorn", "onnxruntime"),
            "--workers", str(WORKERS), folder="fastapi", bodies=BODIES, prices=True,
        ),
        _peer(
            "fastapi", "FastAPI, one worker", ("fastapi", "uvicorn", "onnxruntime"),
            bodies=BODIES, prices=True,
        ),
        _peer(
            "pytriton", "Triton (pytriton)", ("nvidia-pytriton", "onnxruntime"),
            ready_path="/v2/models/digits/ready", path="/v2/models/digits/infer",
            bodies={"raw": payloads.raw_tensor},
            read_label=_first_tensor,
            needs={
                Path("/usr/bin/python3.11"): "python3.11-venv",
                Path("/usr/lib/x86_64-linux-gnu/libpython3.11.so.1.0"): "libpython3.11",
            },
        ),
        _peer(
            "bentoml", "stock BentoML", ("bentoml", "onnxruntime"),
            read_label=lambda response: response.json()[0]["label"],  # of a batch of one
        ),
        _peer("litserve", "LitServe", ("litserve", "onnxruntime"), ready_path="/health"),
        _peer("ray", "Ray Serve", ("ray", "onnxruntime"), ready_path="/-/healthz"),
        _peer(
            "mlserver", "MLServer", ("mlserver", "onnxruntime"), ready_path="/v2/models/digits/ready",
            path="/v2/models/digits/infer", bodies={"form": payloads.tensor},
            read_label=lambda response: response.json()["outputs"][0]["data"][0],
        ),
    )
}  # fmt: skip
"""In the order of the tables."""

QUICK = (OURS, "mosec", "fastapi-workers", "fastapi")
"""Those that `make bench QUICK=1` measures."""


def title(server: str) -> str:
    """The name of a server in tables; of a bare loop too."""
    return CONTENDERS[server].title if server in CONTENDERS else "bare loop"


def install(contender: Contender) -> None:
    """Bring the contender's environment up to its lock file.

    Raises:
        UnavailableError: It cannot run on this machine.
        ContenderError: The installation failed.
    """
    for path, package in contender.needs.items():
        if not path.exists():
            remedy = f"`apt-get install {package}` brings it on Debian 12."
            raise UnavailableError(f"{contender.title} needs {path}, which is missing; {remedy}")
    target = contender.python.parent.parent.relative_to(REPO) / "ready"
    completed = run(["make", "--silent", str(target)])
    if completed.returncode:
        raise ContenderError(f"{contender.title} does not install:\n{completed.stderr.strip()}")


def versions(contender: Contender) -> dict[str, str]:
    """The versions in the lock file by package."""
    pins = (line.split()[0] for line in contender.lock.read_text().splitlines() if "==" in line)
    locked = dict(pin.split("==", 1) for pin in pins if not pin.startswith("#"))
    return {package: locked[package] for package in contender.packages}
