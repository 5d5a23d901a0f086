"""The rows of the table: what is done with a server that runs, and what it came to.

Each takes the server and what to send and yields cases with their values; which servers a row asks is in
ROWS. Values are named with their unit.
"""

import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from loadtests.bench import processes
from loadtests.bench.contenders import Contender, ContenderError, Running, post
from loadtests.bench.load import payloads
from loadtests.bench.load.generators import closed, open_loop
from loadtests.bench.report.results import Scenario
from loadtests.pictures import Upload
from loadtests.server import REPO, SERVING

CONNECTIONS = (1, 16, 64)
PRICE_CONNECTIONS = (1, 16)
BATCH = 64
"""Pictures in one request of the batch row."""

Values = dict[str, float]
Measured = Iterator[tuple[Scenario, Values]]


@dataclass(frozen=True)
class Load:
    """What to send and for how long. photos: large ones, the first few of them for load. seconds: of each
    closed loop. overload_seconds: of the open loop. scratch: a folder to write to.
    """

    model: str
    digits: Sequence[Upload]
    photos: Sequence[Upload]
    seconds: int
    overload_seconds: int
    scratch: Path


@dataclass(frozen=True)
class Row:
    """servers: whom it asks; None: all. every_model: with every model of the bench, not only the first.
    once: in the first round only, because it always comes out the same.
    """

    measure: Callable[[Contender, Running, Load], Measured]
    servers: frozenset[str] | None
    every_model: bool = False
    once: bool = False


def digits(contender: Contender, running: Running, load: Load) -> Measured:
    """One digit per request, the way the server documents for files."""
    sent = [contender.encode(upload) for upload in load.digits]
    url = running.url + contender.path
    for connections in CONNECTIONS:
        result = closed(url, sent, connections, load.seconds, load.scratch)
        yield Scenario("digits", load.model, connections), asdict(result)


def raw(contender: Contender, running: Running, load: Load) -> Measured:
    """One digit per request as the body itself."""
    sent = [payloads.bare(upload) for upload in load.digits]
    for connections in CONNECTIONS:
        result = closed(running.url + contender.path, sent, connections, load.seconds, load.scratch)
        yield Scenario("raw", load.model, connections), asdict(result)


def price(contender: Contender, running: Running, load: Load) -> Measured:
    """One photo of 12 megapixels per request."""
    sent = [payloads.form(photo) for photo in load.photos[:4]]
    for connections in PRICE_CONNECTIONS:
        result = closed(running.url + "/price", sent, connections, load.seconds, load.scratch)
        yield Scenario("price", connections=connections), asdict(result)


def prices(contender: Contender, running: Running, load: Load) -> Measured:
    """What each photo is priced at."""
    for photo in load.photos:
        reply = post(running.url + "/price", payloads.form(photo))
        if reply.status_code != 200:
            what = f"{reply.status_code} for {photo.name}: {reply.text[:300]}"
            raise ContenderError(f"{contender.title} answers {what}")
        yield Scenario("prices", photo.name), {"price": float(reply.json()["price"])}


def batch(contender: Contender, running: Running, load: Load) -> Measured:
    """64 digits in one request, one request after the other; beside the same work without a server."""
    uploads = [load.digits[index % len(load.digits)] for index in range(BATCH)]
    result = closed(f"{running.url}/classify/batch", [payloads.forms(uploads)], 1, load.seconds, load.scratch)
    alone = _alone(load, uploads)
    yield (
        Scenario("batch", load.model),
        {
            "pictures_per_s": BATCH * result.requests_per_s,
            "failures": result.failures,
            "alone_pictures_per_s": alone["pictures_per_s"],
        },
    )


def idle(contender: Contender, running: Running, load: Load) -> Measured:
    """One digit at a time over HTTP; beside the same work without a server."""
    sent = [contender.encode(upload) for upload in load.digits]
    alone = _alone(load, load.digits)
    result = closed(running.url + contender.path, sent, 1, load.seconds, load.scratch)
    yield Scenario("idle", load.model), {"p50_ms": result.p50_ms, "alone_ms": alone["one_ms"]}


def overload(contender: Contender, running: Running, load: Load) -> Measured:
    """Twice as many digits as it can answer, whatever comes back; it can answer what it just did at 64
    connections."""
    sent = contender.encode(load.digits[0])  # h2load knows one body only
    url = running.url + contender.path
    capacity = closed(url, [sent], 64, load.seconds, load.scratch).requests_per_s
    result = open_loop(url, sent, 2 * capacity, load.overload_seconds, load.scratch)
    yield Scenario("overload", load.model), {"capacity": capacity, **asdict(result)}


def memory(contender: Contender, running: Running, load: Load) -> Measured:
    """After all its load."""
    after = processes.memory(running.mark)
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


def _alone(load: Load, uploads: Sequence[Upload]) -> dict[str, float]:
    """loadtests/bench/baseline.py in the serving environment. Raises ContenderError."""
    files = []
    for index, upload in enumerate(uploads):
        files.append(load.scratch / f"alone-{index}")
        files[-1].write_bytes(upload.content)
    said = subprocess.run(
        [SERVING / "python", "-m", "loadtests.bench.baseline", load.model, *files],
        cwd=REPO, capture_output=True, text=True,
    )  # fmt: skip
    if said.returncode:
        raise ContenderError(f"the work alone fails:\n{said.stderr}")
    figures: dict[str, float] = json.loads(said.stdout)
    return figures
