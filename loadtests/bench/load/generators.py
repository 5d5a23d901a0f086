"""Compiled load generators: wrk for closed loops, h2load for open ones.

Both run on the machine they load. wrk counts a long latency once more for each request that it kept from
being sent (coordinated omission), so p99 is that of users who send at a steady pace.
"""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loadtests.bench.load.payloads import Body
from loadtests.subprocesses import CommandError, output

WRK_SCRIPT = Path(__file__).with_name("wrk.lua")

RESPONSE_TIMEOUT_S = 30
"""A request that takes longer has failed."""

SEND_PERIOD_S = 2
"""From one request of a connection to its next, in the open loop."""

MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class ClosedLoop:
    """The result of a closed loop.

    Each connection sends its next request after its response.

    Attributes:
        requests_per_s: Requests answered with 2xx.
        p50_ms: Median latency.
        p99_ms: 99th percentile of the latencies.
        failures: Other responses, broken connections and timeouts.
    """

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    failures: int


@dataclass(frozen=True)
class OpenLoop:
    """The result of an open loop.

    Requests are sent at a fixed rate, independently of the responses.

    Attributes:
        sent_per_s: Requests that were sent.
        goodput: 200s per second.
        p99_ms: Of 200s; 0 without any.
        refused: Number of 503s.
        refused_p50_ms: Their median latency; 0 without any.
        others: Number of other responses and of requests without one.
    """

    sent_per_s: float
    goodput: float
    p99_ms: float
    refused: int
    refused_p50_ms: float
    others: int


def closed_loop(
    url: str, bodies: Sequence[Body], connections: int, seconds: int, scratch: Path
) -> ClosedLoop:
    """Post the bodies in turn for so many seconds.

    Args:
        url: Where to post to.
        bodies: All of one Content-Type.
        connections: Requests at the same time.
        seconds: Length of the load.
        scratch: A folder for files of the generator.

    Raises:
        CommandError: wrk failed.
    """
    files = _write(bodies, scratch)
    return parse_wrk(output([
        "wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s",
        "--timeout", f"{RESPONSE_TIMEOUT_S}s", "--script", WRK_SCRIPT, url,
        "--", bodies[0].content_type, *files,
    ]))  # fmt: skip


def parse_wrk(printed: str) -> ClosedLoop:
    """Read the line of JSON that wrk.lua prints at the end of wrk's output."""
    counts = json.loads(printed[printed.rindex("{") :])
    # wrk counts every response as a request, whatever its status.
    return ClosedLoop(
        (counts["requests"] - counts["status"]) / counts["duration"] * MICROSECONDS,
        counts["p50"] / 1e3,
        counts["p99"] / 1e3,
        counts["status"] + counts["socket"],
    )


def open_loop(url: str, body: Body, rate: float, seconds: int, scratch: Path) -> OpenLoop:
    """Post the body at a fixed rate.

    There are as many connections as requests in a period: the loop is open for responses that take up to a
    period. The connections are opened evenly over the first period, which is not measured: opened in half of
    it, they would all send in that half of every period.

    Args:
        url: Where to post to.
        body: h2load sends only one.
        rate: Requests per second.
        seconds: Length of the measured load.
        scratch: A folder for files of the generator.

    Raises:
        CommandError: h2load failed or got no response.
    """
    (file,) = _write([body], scratch)
    log = scratch / "h2load.log"
    log.unlink(missing_ok=True)  # h2load appends to an existing log
    connections = max(round(SEND_PERIOD_S * rate), 1)
    pace = rate / connections
    output([
        "h2load", "--h1", "--threads", "1", "--clients", str(connections), "--rps", f"{pace:.6f}",
        "--requests", str(connections * (1 + math.ceil(pace * seconds))),
        "--rate", str(max(connections // 100, 1)), "--rate-period", f"{1000 * SEND_PERIOD_S // 100}ms",
        "--connection-inactivity-timeout", f"{RESPONSE_TIMEOUT_S}s", "--data", file,
        "--header", f"content-type: {body.content_type}", "--log-file", log, url,
    ])  # fmt: skip
    return parse_h2load(log.read_text(), seconds)


def parse_h2load(log: str, seconds: float) -> OpenLoop:
    """Read h2load's log; only the seconds after the first period are measured.

    Args:
        log: A line per request: start in microseconds, status (-1: none), duration in microseconds.
        seconds: Length of the measured load.

    Raises:
        CommandError: The log is empty.
    """
    rows = np.array([line.split()[:3] for line in log.splitlines()], dtype=np.int64).reshape(-1, 3)
    if not len(rows):
        raise CommandError("h2load got no response at all.")
    start = rows[:, 0].min() + SEND_PERIOD_S * MICROSECONDS
    stop = start + round(seconds * MICROSECONDS)
    sent = rows[(rows[:, 0] >= start) & (rows[:, 0] < stop)]
    answered = rows[(rows[:, 1] == 200) & (rows[:, 0] + rows[:, 2] >= start)]
    in_time = answered[answered[:, 0] + answered[:, 2] < stop]
    statuses = Counter(sent[:, 1].tolist())
    return OpenLoop(
        len(sent) / seconds,
        len(in_time) / seconds,
        _percentile_ms(in_time[:, 2], 99),
        statuses[503],
        _percentile_ms(sent[sent[:, 1] == 503, 2], 50),
        sum(count for status, count in statuses.items() if status not in (200, 503)),
    )


def _percentile_ms(microseconds: np.ndarray, percent: float) -> float:
    """In milliseconds; 0 without any."""
    return float(np.percentile(microseconds, percent)) / 1e3 if len(microseconds) else 0.0


def _write(bodies: Sequence[Body], scratch: Path) -> list[Path]:
    files = []
    for index, body in enumerate(bodies):
        files.append(scratch / f"body-{index}")
        files[-1].write_bytes(body.content)
    return files
