"""Compiled load generators: wrk for closed loops, h2load for open ones. Both run on the machine they load.

wrk counts a long latency once more for each request that it kept from being sent (what its author calls
coordinated omission), so p99 is what users with a steady pace would meet.
"""

import json
import math
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from loadtests.bench.load.payloads import Body

SCRIPT = Path(__file__).with_name("wrk.lua")
ANSWER_WITHIN = 30
"""Seconds; a request that takes longer has failed."""


PERIOD = 2
"""Seconds from one request of a connection to its next, in the open loop."""


class GeneratorError(Exception):
    """A generator is not there or did not run; the message says what to do."""


@dataclass(frozen=True)
class Closed:
    """A closed loop: each connection sends its next request when it has its answer.

    requests_per_s: answered with 2xx. failures: other answers, broken connections and time-outs.
    """

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    failures: int


@dataclass(frozen=True)
class Open:
    """An open loop: requests are sent at a pace, whatever comes back.

    sent_per_s: really sent. goodput: 200s per second. p99_ms: of 200s, 0 where there are none. refused: 503s.
    refused_p50_ms: their median, 0 where there are none. others: other answers, and requests without one.
    """

    sent_per_s: float
    goodput: float
    p99_ms: float
    refused: int
    refused_p50_ms: float
    others: int


def require(name: str, package: str) -> None:
    """Raises GeneratorError where the program is not there."""
    if shutil.which(name) is None:
        raise GeneratorError(f"{name} is not installed; `apt-get install {package}` brings it.")


def closed(url: str, bodies: Sequence[Body], connections: int, seconds: int, scratch: Path) -> Closed:
    """Post the bodies in turn for so many seconds. scratch: a folder that may be written to."""
    require("wrk", "wrk")
    files = _write(bodies, scratch)
    said = _run([
        "wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s",
        "--timeout", f"{ANSWER_WITHIN}s", "--script", SCRIPT, url, "--", bodies[0].content_type, *files,
    ])  # fmt: skip
    return parse_wrk(said)


def parse_wrk(said: str) -> Closed:
    """said: what wrk printed, its script's line of JSON at the end."""
    facts = json.loads(said[said.rindex("{") :])
    # wrk counts a request as one however it was answered.
    return Closed(
        (facts["requests"] - facts["status"]) / facts["duration"] * 1e6,
        facts["p50"] / 1e3,
        facts["p99"] / 1e3,
        facts["status"] + facts["socket"],
    )


def open_loop(url: str, body: Body, rate: float, seconds: int, scratch: Path) -> Open:
    """Post the body `rate` times a second, over as many connections as requests in a period: the loop is open
    for answers that take up to a period.

    The connections are opened evenly over the first period, which is not measured: opened in half of it, they
    would all send in that half of every period.
    """
    require("h2load", "nghttp2-client")
    (file,) = _write([body], scratch)
    log = scratch / "h2load.log"
    log.unlink(missing_ok=True)  # h2load adds to a log that is there
    connections = max(round(PERIOD * rate), 1)
    pace = rate / connections
    _run([
        "h2load", "--h1", "--threads", "1", "--clients", str(connections), "--rps", f"{pace:.6f}",
        "--requests", str(connections * (1 + math.ceil(pace * seconds))),
        "--rate", str(max(connections // 100, 1)), "--rate-period", f"{1000 * PERIOD // 100}ms",
        "--connection-inactivity-timeout", f"{ANSWER_WITHIN}s", "--data", file,
        "--header", f"content-type: {body.content_type}", "--log-file", log, url,
    ])  # fmt: skip
    return parse_h2load(log.read_text(), seconds)


def parse_h2load(log: str, seconds: float) -> Open:
    """log: microseconds of the start, status (-1: none) and microseconds it took, a line for each request.

    Measured are the `seconds` after the first period.
    """
    rows = np.array([line.split()[:3] for line in log.splitlines()], dtype=np.int64).reshape(-1, 3)
    if not len(rows):
        raise GeneratorError("h2load got no answer at all.")
    begins = rows[:, 0].min() + PERIOD * 1_000_000
    until = begins + round(seconds * 1e6)
    sent = rows[(rows[:, 0] >= begins) & (rows[:, 0] < until)]
    answered = rows[(rows[:, 1] == 200) & (rows[:, 0] + rows[:, 2] >= begins)]
    in_time = answered[answered[:, 0] + answered[:, 2] < until]
    statuses = Counter(sent[:, 1].tolist())
    return Open(
        len(sent) / seconds,
        len(in_time) / seconds,
        _quantile(in_time[:, 2], 99),
        statuses[503],
        _quantile(sent[sent[:, 1] == 503, 2], 50),
        sum(count for status, count in statuses.items() if status not in (200, 503)),
    )


def _quantile(microseconds: np.ndarray, percent: float) -> float:
    """In milliseconds; 0 where there are none."""
    return float(np.percentile(microseconds, percent)) / 1e3 if len(microseconds) else 0.0


def _write(bodies: Sequence[Body], scratch: Path) -> list[Path]:
    files = []
    for index, body in enumerate(bodies):
        files.append(scratch / f"body-{index}")
        files[-1].write_bytes(body.content)
    return files


def _run(command: Sequence[str | Path]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise GeneratorError(f"{command[0]} failed: {said}")
    return done.stdout
