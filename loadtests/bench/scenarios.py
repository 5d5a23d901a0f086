"""The rows of the report: loads on a running server and their figures.

ROWS lists the servers that each applies to. Figures are named with their unit.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtests.bench import cores, processes
from loadtests.bench.contenders import OURS, Contender, ContenderError
from loadtests.bench.load import payloads
from loadtests.bench.load.open_loop import open_loop
from loadtests.bench.report.results import Scenario
from loadtests.bench.running_server import RunningServer, post
from loadtests.pictures import Upload
from loadtests.server import SERVING
from loadtests.subprocesses import output

CONNECTIONS = (1, 16, 64)
PRICE_CONNECTIONS = (1, 16)
PRICE_MODEL = "cars-transfer"
BATCH_SIZE = 64
"""Pictures in one request of the batch row."""

CAPACITY_CONNECTIONS = 64
OVERLOADS = (0.7, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Rates of the open loop, as multiples of the closed loop's just before."""

Measurements = Iterator[tuple[Scenario, dict[str, float]]]


@dataclass(frozen=True)
class Load:
    """What is sent and for how long.

    Attributes:
        model: The classifier.
        digits: Its pictures.
        photos: Pictures of 12 megapixels; the first four of them are used for load.
        connections: Connections of the loads with one digit per request.
        seconds: Length of each closed loop.
        open_seconds: Length of the open loop at each rate.
        scratch: A folder to write to.
    """

    model: str
    digits: Sequence[Upload]
    photos: Sequence[Upload]
    connections: Sequence[int]
    seconds: int
    open_seconds: int
    scratch: Path


@dataclass(frozen=True)
class Row:
    """A row and where it applies.

    Attributes:
        measure: Measures it on one server.
        applies: Whether a server takes part.
        every_model: Whether it is measured with every model of the bench, or with the first only.
        once: Whether it is measured in the first round only, because it does not vary.
        pinned: Whether the server is started anew for it, on a core of its own.
    """

    measure: Callable[[RunningServer, Load], Measurements]
    applies: Callable[[Contender], bool]
    every_model: bool = False
    once: bool = False
    pinned: bool = False


def raw(server: RunningServer, load: Load) -> Measurements:
    """One digit per request as the body itself."""
    yield from _digits("raw", server, load)


def form(server: RunningServer, load: Load) -> Measurements:
    """One digit per request, in the form that the server documents for files."""
    yield from _digits("form", server, load)


def _digits(row: str, server: RunningServer, load: Load) -> Measurements:
    contender = server.contender
    bodies = [contender.bodies[row](upload) for upload in load.digits]
    for connections in load.connections:
        figures = server.closed_loop(contender.path, bodies, connections, load.seconds, load.scratch)
        yield Scenario(row, load.model, connections), figures


def price(server: RunningServer, load: Load) -> Measurements:
    """One photo of 12 megapixels per request."""
    bodies = [payloads.form(photo) for photo in load.photos[:4]]
    for connections in PRICE_CONNECTIONS:
        figures = server.closed_loop("/price", bodies, connections, load.seconds, load.scratch)
        yield Scenario("price", connections=connections), figures


def prices(server: RunningServer, load: Load) -> Measurements:
    """The price of each photo."""
    for photo in load.photos:
        response = post(server.url + "/price", payloads.form(photo))
        if response.status_code != 200:
            problem = f"{response.status_code} for {photo.name}: {response.text[:300]}"
            raise ContenderError(f"{server.contender.title} answers {problem}")
        yield Scenario("prices", photo.name), {"price": float(response.json()["price"])}


def batch(server: RunningServer, load: Load) -> Measurements:
    """64 digits per request, one request at a time; figures are per picture."""
    uploads = [load.digits[index % len(load.digits)] for index in range(BATCH_SIZE)]
    bodies = [payloads.batch_form(uploads)]
    figures = server.closed_loop("/classify/batch", bodies, 1, load.seconds, load.scratch)
    if figures["failures"]:
        raise ContenderError(f"{server.contender.title} refuses {BATCH_SIZE} digits in one request")
    yield (
        Scenario("batch", load.model),
        {
            "pictures_per_s": BATCH_SIZE * figures["requests_per_s"],
            "cpu_ms": figures["cpu_ms"] / BATCH_SIZE,
        },
    )


def overload(server: RunningServer, load: Load) -> Measurements:
    """Digits at rates up to five times that of a closed loop just before, as raw bodies."""
    encode, path = server.contender.encode, server.contender.path
    bodies = [encode(upload) for upload in load.digits]
    _, core = cores.pins()
    closed = server.closed_loop(path, bodies, CAPACITY_CONNECTIONS, load.seconds, load.scratch, core)
    yield Scenario("overload", load.model, CAPACITY_CONNECTIONS), closed
    for multiple in OVERLOADS:
        rate = multiple * closed["requests_per_s"]
        with processes.CpuTime(server.mark) as cpu:
            result = open_loop(server.url + path, bodies, rate, load.open_seconds, load.scratch, core)
        per_answer = {"cpu_ms": 1e3 * cpu.seconds / result.answers} if result.answers else {}
        yield Scenario("overload", load.model, overload=multiple), asdict(result) | per_answer


def memory(server: RunningServer, load: Load) -> Measurements:
    """Memory after all the load."""
    after = processes.memory(server.mark)
    yield Scenario("memory"), {"largest_mb": after.largest, "together_mb": after.together}


ROWS: Mapping[str, Row] = {
    "raw": Row(raw, lambda contender: "raw" in contender.bodies, every_model=True),
    "form": Row(form, lambda contender: "form" in contender.bodies, every_model=True),
    "price": Row(price, lambda contender: contender.prices),
    "prices": Row(prices, lambda contender: contender.name in (OURS, "fastapi"), once=True),
    "batch": Row(batch, lambda contender: contender.name == OURS),
    "memory": Row(memory, lambda contender: True),
    "overload": Row(overload, lambda contender: contender.name == OURS, pinned=True),
}
"""In the order they are measured. Start and bare loop are measured whatever the rows."""


def bare_loop(load: Load, with_prices: bool) -> Measurements:
    """Decode, view and session without a server, on one core and on all at once."""
    digits = payloads.write([payloads.raw_body(upload) for upload in load.digits], load.scratch)
    for count in dict.fromkeys((1, cores.COUNT)):
        yield Scenario("bare", load.model, count), _bare(load.model, digits, count, load.seconds)
    if with_prices:
        photos = payloads.write([payloads.raw_body(photo) for photo in load.photos[:4]], load.scratch)
        for count in dict.fromkeys((1, cores.COUNT)):
            yield Scenario("bare", PRICE_MODEL, count), _bare(PRICE_MODEL, photos, count, load.seconds)


def _bare(model: str, files: Sequence[Path], count: int, seconds: int) -> dict[str, float]:
    command = [SERVING / "python", "-m", "loadtests.bench.baseline", model, *files]
    figures: dict[str, float] = json.loads(
        output([*command, "--processes", str(count), "--seconds", str(seconds)])
    )
    return figures
