"""The rows of the report: loads on a running server and their figures.

ROWS lists the servers that each applies to. Figures are named with their unit.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtests.bench import processes
from loadtests.bench.contenders import Contender, ContenderError, RunningServer, post
from loadtests.bench.load import payloads
from loadtests.bench.load.generators import closed_loop, open_loop
from loadtests.bench.report.results import Scenario
from loadtests.pictures import Upload
from loadtests.server import SERVING
from loadtests.subprocesses import output

CONNECTIONS = (1, 16, 64)
PRICE_CONNECTIONS = (1, 16)
BATCH_SIZE = 64
"""Pictures in one request of the batch row."""

Measurements = Iterator[tuple[Scenario, dict[str, float]]]


@dataclass(frozen=True)
class Load:
    """What is sent and for how long.

    Attributes:
        model: The classifier.
        digits: Its pictures.
        photos: Pictures of 12 megapixels; the first four of them are used for load.
        seconds: Length of each closed loop.
        overload_seconds: Length of the open loop.
        scratch: A folder to write to.
    """

    model: str
    digits: Sequence[Upload]
    photos: Sequence[Upload]
    seconds: int
    overload_seconds: int
    scratch: Path


@dataclass(frozen=True)
class Row:
    """A row and where it applies.

    Attributes:
        measure: Measures it on one server.
        servers: Names of the servers; None for all.
        every_model: Whether it is measured with every model of the bench, or with the first only.
        once: Whether it is measured in the first round only, because it does not vary.
    """

    measure: Callable[[Contender, RunningServer, Load], Measurements]
    servers: frozenset[str] | None
    every_model: bool = False
    once: bool = False


def digits(contender: Contender, server: RunningServer, load: Load) -> Measurements:
    """One digit per request, in the form that the server documents for files."""
    bodies = [contender.encode(upload) for upload in load.digits]
    for connections in CONNECTIONS:
        result = closed_loop(server.url + contender.path, bodies, connections, load.seconds, load.scratch)
        yield Scenario("digits", load.model, connections), asdict(result)


def raw(contender: Contender, server: RunningServer, load: Load) -> Measurements:
    """One digit per request as the body itself."""
    bodies = [payloads.raw_body(upload) for upload in load.digits]
    for connections in CONNECTIONS:
        result = closed_loop(server.url + contender.path, bodies, connections, load.seconds, load.scratch)
        yield Scenario("raw", load.model, connections), asdict(result)


def price(contender: Contender, server: RunningServer, load: Load) -> Measurements:
    """One photo of 12 megapixels per request."""
    bodies = [payloads.form(photo) for photo in load.photos[:4]]
    for connections in PRICE_CONNECTIONS:
        result = closed_loop(server.url + "/price", bodies, connections, load.seconds, load.scratch)
        yield Scenario("price", connections=connections), asdict(result)


def prices(contender: Contender, server: RunningServer, load: Load) -> Measurements:
    """The price of each photo."""
    for photo in load.photos:
        response = post(server.url + "/price", payloads.form(photo))
        if response.status_code != 200:
            problem = f"{response.status_code} for {photo.name}: {response.text[:300]}"
            raise ContenderError(f"{contender.title} answers {problem}")
        yield Scenario("prices", photo.name), {"price": float(response.json()["price"])}


def batch(contender: Contender, server: RunningServer, load: Load) -> Measurements:
    """64 digits per request, one at a time, and the same work without a server."""
    uploads = [load.digits[index % len(load.digits)] for index in range(BATCH_SIZE)]
    body = payloads.batch_form(uploads)
    result = closed_loop(f"{server.url}/classify/batch", [body], 1, load.seconds, load.scratch)
    figures = {
        "pictures_per_s": BATCH_SIZE * result.requests_per_s,
        "failures": result.failures,
        "alone_pictures_per_s": _baseline(load, uploads)["pictures_per_s"],
    }
    yield Scenario("batch", load.model), figures


def idle(contender: Contender, server: RunningServer, load: Load) -> Measurements:
    """One digit at a time over HTTP, and the same work without a server."""
    bodies = [contender.encode(upload) for upload in load.digits]
    alone = _baseline(load, load.digits)
    result = closed_loop(server.url + contender.path, bodies, 1, load.seconds, load.scratch)
    yield Scenario("idle", load.model), {"p50_ms": result.p50_ms, "alone_ms": alone["one_ms"]}


def overload(contender: Contender, server: RunningServer, load: Load) -> Measurements:
    """Digits at twice the capacity: the throughput at 64 connections just before."""
    body = contender.encode(load.digits[0])  # h2load sends only one body
    url = server.url + contender.path
    capacity = closed_loop(url, [body], 64, load.seconds, load.scratch).requests_per_s
    result = open_loop(url, body, 2 * capacity, load.overload_seconds, load.scratch)
    yield Scenario("overload", load.model), {"capacity": capacity, **asdict(result)}


def memory(contender: Contender, server: RunningServer, load: Load) -> Measurements:
    """Memory after all the load."""
    after = processes.memory(server.mark)
    yield Scenario("memory"), {"largest_mb": after.largest, "together_mb": after.together}


ROWS: Mapping[str, Row] = {
    "idle": Row(idle, frozenset({"glimpse"})),
    "digits": Row(digits, None, every_model=True),
    "raw": Row(raw, frozenset({"glimpse", "fastapi"}), every_model=True),
    "price": Row(price, frozenset({"glimpse", "fastapi"})),
    "prices": Row(prices, frozenset({"glimpse", "fastapi"}), once=True),
    "batch": Row(batch, frozenset({"glimpse"})),
    "overload": Row(overload, frozenset({"glimpse"})),
    "memory": Row(memory, None),
}
"""In the order they are measured. The start is measured with every server, whatever the rows."""


def _baseline(load: Load, uploads: Sequence[Upload]) -> dict[str, float]:
    """The figures of loadtests/bench/baseline.py, run in the serving environment."""
    files = []
    for index, upload in enumerate(uploads):
        files.append(load.scratch / f"alone-{index}")
        files[-1].write_bytes(upload.content)
    command = [SERVING / "python", "-m", "loadtests.bench.baseline", load.model, *files]
    figures: dict[str, float] = json.loads(output(command))
    return figures
