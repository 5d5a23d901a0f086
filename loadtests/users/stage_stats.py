"""Statistics of each stage of a load, and whether they are good enough.

Latency is that of correct responses, in milliseconds, from sending the request to the end of the response.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from loadtests.users.shapes import Stage

SETTLING_FRACTION = 0.2
"""The first part of a stage, not measured: users are still arriving, older requests still wait."""

MAX_P95_MS = 1000
"""A run fails above this: a person should not wait longer for one picture."""

Outcome = Literal["answered", "refused", "failed"]
"""answered: correctly. refused: 503 with Retry-After. failed: anything else."""


@dataclass(frozen=True)
class Request:
    """One request that has ended.

    Attributes:
        ended_s: Seconds from the start of the stage to the end of the request.
        outcome: What became of it.
        latency_ms: How long it took.
    """

    ended_s: float
    outcome: Outcome
    latency_ms: float


@dataclass(frozen=True)
class StageStats:
    """The statistics of one stage after it has settled.

    Attributes:
        users: Users at the same time.
        seconds: How long the stage was measured.
        overload: Whether there may be more users than the server can take.
        answered: Number of requests answered correctly.
        refused: Number of requests refused.
        failed: Number of requests failed.
        mean_ms: Mean latency; None where nothing was answered, like the percentiles.
        p50_ms: Median latency.
        p95_ms: 95th percentile of the latencies.
        p99_ms: 99th percentile of the latencies.
    """

    users: int
    seconds: float
    overload: bool
    answered: int
    refused: int
    failed: int
    mean_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None

    @property
    def requests_per_s(self) -> float:
        """Throughput of correct responses."""
        return self.answered / self.seconds

    def failure_reason(self) -> str:
        """Why the stage fails the run; empty where it does not."""
        if self.failed:
            return f"{self.failed} failures at {self.users} users"
        if self.p95_ms is None:
            return f"no answer at {self.users} users"
        if self.refused and not self.overload:
            return f"{self.refused} refusals at {self.users} users, which the server has to take"
        if self.p95_ms > MAX_P95_MS and not self.overload:
            return f"p95 {self.p95_ms:.0f} ms at {self.users} users, {MAX_P95_MS} allowed"
        return ""


class Recorder:
    """Collects requests by stage; each ended stage becomes statistics."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.clear()

    def clear(self) -> None:
        """Forget everything: a new run starts."""
        self._stage: Stage | None = None
        self._began_at = 0.0
        self._requests: list[Request] = []
        self._ended: list[StageStats] = []

    def begin(self, stage: Stage) -> None:
        """End the current stage and start the next."""
        self.end()
        self._stage, self._began_at, self._requests = stage, self._clock(), []

    def note(self, outcome: Outcome, latency_ms: float) -> None:
        """Count a request that ends now for the current stage."""
        self._requests.append(Request(self._clock() - self._began_at, outcome, latency_ms))

    def end(self) -> tuple[StageStats, ...]:
        """End the current stage, if any; returns the statistics of all in order."""
        if self._stage is not None:
            self._ended.append(measure(self._stage, self._requests, self._clock() - self._began_at))
        self._stage = None
        return tuple(self._ended)


def measure(stage: Stage, requests: Sequence[Request], lasted_s: float) -> StageStats:
    """The statistics of a stage that lasted so many seconds."""
    settled = [request for request in requests if request.ended_s >= SETTLING_FRACTION * lasted_s]
    outcomes = [request.outcome for request in settled]
    latencies = [request.latency_ms for request in settled if request.outcome == "answered"]
    mean, p50, p95, p99 = _summary(latencies)
    return StageStats(
        stage.users, (1 - SETTLING_FRACTION) * lasted_s, stage.overload,
        len(latencies), outcomes.count("refused"), outcomes.count("failed"), mean, p50, p95, p99,
    )  # fmt: skip


def _summary(latencies: Sequence[float]) -> list[float] | list[None]:
    """Mean and quantiles 0.5, 0.95, 0.99; four times None without latencies."""
    if not latencies:
        return [None] * 4
    return [float(np.mean(latencies)), *np.percentile(latencies, (50, 95, 99)).tolist()]
