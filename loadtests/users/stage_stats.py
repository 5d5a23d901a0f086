"""What users met in each stage of a load, and whether that is good enough.

Latency is that of right answers, in milliseconds, from sending to the whole answer.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from loadtests.users.shapes import Stage

SETTLING = 0.2
"""Share of a stage that is not measured: its users are only coming, what came before still waits."""

SLOWEST_P95_MS = 1000
"""Above this the run fails: no person waits longer for one picture."""

Outcome = Literal["answered", "refused", "failed"]
"""answered: rightly. refused: 503 with Retry-After. failed: all else."""


@dataclass(frozen=True)
class Request:
    """ended: seconds after its stage began."""

    ended: float
    outcome: Outcome
    latency_ms: float


@dataclass(frozen=True)
class Measured:
    """One stage without its settling. seconds: how long it was measured. answered, refused, failed:
    requests. Latencies are None where nothing was answered."""

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
        """Answered ones."""
        return self.answered / self.seconds

    def why_bad(self) -> str:
        """Empty where it is good enough."""
        if self.failed:
            return f"{self.failed} failures at {self.users} users"
        if self.p95_ms is None:
            return f"no answer at {self.users} users"
        if self.refused and not self.overload:
            return f"{self.refused} refusals at {self.users} users, who are not too many"
        if self.p95_ms > SLOWEST_P95_MS and not self.overload:
            return f"p95 {self.p95_ms:.0f} ms at {self.users} users, {SLOWEST_P95_MS} allowed"
        return ""


class Recorder:
    """Told of each stage as it begins and of each request as it ends."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._stage: Stage | None = None
        self._since = 0.0
        self._requests: list[Request] = []
        self._ended: list[Measured] = []

    def begin(self, stage: Stage) -> None:
        self.end()
        self._stage, self._since, self._requests = stage, time.perf_counter(), []

    def note(self, outcome: Outcome, latency_ms: float) -> None:
        self._requests.append(Request(time.perf_counter() - self._since, outcome, latency_ms))

    def end(self) -> tuple[Measured, ...]:
        """The stage that is on ends now; returns all that have ended, in order."""
        if self._stage is not None:
            self._ended.append(measure(self._stage, self._requests, time.perf_counter() - self._since))
        self._stage = None
        return tuple(self._ended)


def measure(stage: Stage, requests: Sequence[Request], lasted: float) -> Measured:
    """What a stage came to that lasted so many seconds."""
    settled = [request for request in requests if request.ended >= SETTLING * lasted]
    outcomes = [request.outcome for request in settled]
    latencies = [request.latency_ms for request in settled if request.outcome == "answered"]
    mean, p50, p95, p99 = _summary(latencies)
    return Measured(
        stage.users, (1 - SETTLING) * lasted, stage.overload,
        len(latencies), outcomes.count("refused"), outcomes.count("failed"), mean, p50, p95, p99,
    )  # fmt: skip


def _summary(latencies: Sequence[float]) -> list[float] | list[None]:
    """Mean and quantiles 0.5, 0.95, 0.99; None four times where there are none."""
    if not latencies:
        return [None] * 4
    return [float(np.mean(latencies)), *np.percentile(latencies, (50, 95, 99)).tolist()]
