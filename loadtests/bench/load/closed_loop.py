"""Closed loops by wrk: each connection sends its next request after its response.

wrk counts a long latency once more for each request that it kept from being sent (coordinated omission), so
p99 is that of users who send at a steady pace.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.cores import pinned
from loadtests.bench.load.payloads import Body, write
from loadtests.subprocesses import output

WRK_SCRIPT = Path(__file__).with_name("wrk.lua")

RESPONSE_TIMEOUT_S = 30
"""A request that takes longer has failed."""

MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class ClosedLoop:
    """The result of a closed loop.

    Attributes:
        answers: Requests answered with 2xx.
        requests_per_s: Those per second.
        p50_ms: Median latency.
        p99_ms: 99th percentile of the latencies.
        failures: Other responses, broken connections and timeouts.
    """

    answers: int
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    failures: int


def closed_loop(
    url: str, bodies: Sequence[Body], connections: int, seconds: int, scratch: Path, core: int | None = None
) -> ClosedLoop:
    """Post the bodies in turn for so many seconds.

    Args:
        url: Where to post to.
        bodies: All with the same headers.
        connections: Requests at the same time.
        seconds: Length of the load.
        scratch: A folder for files of the generator.
        core: The core that wrk runs on; None for any.

    Raises:
        CommandError: wrk failed.
    """
    headers = [part for name, value in bodies[0].headers.items() for part in ("--header", f"{name}: {value}")]
    return parse_wrk(output(pinned([
        "wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s",
        "--timeout", f"{RESPONSE_TIMEOUT_S}s", "--script", WRK_SCRIPT, *headers, url,
        "--", *write(bodies, scratch),
    ], core)))  # fmt: skip


def parse_wrk(printed: str) -> ClosedLoop:
    """Read the line of JSON that wrk.lua prints at the end of wrk's output."""
    counts = json.loads(printed[printed.rindex("{") :])
    # wrk counts every response as a request, whatever its status.
    answers = counts["requests"] - counts["status"]
    return ClosedLoop(
        answers,
        answers / counts["duration"] * MICROSECONDS,
        counts["p50"] / 1e3,
        counts["p99"] / 1e3,
        counts["status"] + counts["socket"],
    )
