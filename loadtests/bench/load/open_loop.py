"""Open loops: requests at a fixed rate, whatever the responses, by our own generator."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests.bench.cores import pinned
from loadtests.bench.load.payloads import Body, write
from loadtests.subprocesses import output

MAX_CONNECTIONS = 3000


@dataclass(frozen=True)
class OpenLoop:
    """The result of an open loop, of the requests that were due in the measured time.

    Latencies count from the moment a request was due, also where it had to wait for a connection.

    Attributes:
        answers: 200s in the whole run, its beginning included.
        sent_per_s: Requests that were sent.
        requests_per_s: 200s that came within the measured time, per second.
        p50_ms: Of 200s; 0 without any.
        p99_ms: Of 200s; 0 without any.
        refused: Number of 503s.
        refused_p50_ms: Their median latency; 0 without any.
        others: Responses with other statuses than 200 and 503.
        errors: Connections that broke or did not open, and requests without a response.
        connections: The most that were open at once.
        late_ms: 99th percentile of how late the generator itself was.
        generator_cpu: Share of one core that the generator took.
    """

    answers: int
    sent_per_s: float
    requests_per_s: float
    p50_ms: float
    p99_ms: float
    refused: int
    refused_p50_ms: float
    others: int
    errors: int
    connections: int
    late_ms: float
    generator_cpu: float


def open_loop(
    url: str, bodies: Sequence[Body], rate: float, seconds: int, scratch: Path, core: int | None = None
) -> OpenLoop:
    """Post the bodies in turn at a fixed rate.

    Args:
        url: Where to post to.
        bodies: All with the same headers.
        rate: Requests per second, evenly spaced.
        seconds: Length of the measured load.
        scratch: A folder for files of the generator.
        core: The core that the generator runs on; None for any.

    Raises:
        CommandError: The generator failed.
    """
    command = [
        sys.executable, "-m", "loadtests.bench.load.open_loop_client", url, json.dumps(bodies[0].headers),
        *write(bodies, scratch), "--rate", str(rate), "--seconds", str(seconds),
        "--connections", str(MAX_CONNECTIONS),
    ]  # fmt: skip
    return OpenLoop(**json.loads(output(pinned(command, core))))
