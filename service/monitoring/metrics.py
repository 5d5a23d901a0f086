"""Prometheus series of the service; every label comes from a closed set.

BentoML's own HTTP series label by raw path and would grow with every unknown path a client tries; they
are switched off. With several workers each writes to the shared folder, and the one that is asked sums
over all.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from service.monitoring.drift import DriftReport
from service.monitoring.drift_collector import DriftCollector
from service.monitoring.shared_folder import remove_files_of_dead_workers, shared_folder

REGISTRY = CollectorRegistry()

STAGE_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)

REQUESTS = Counter("glimpse_requests", "Answered requests.", ("call", "status"), registry=REGISTRY)
PICTURES = Counter(
    "glimpse_pictures", "Pictures by what came of them.", ("model", "outcome"), registry=REGISTRY
)
REFUSALS = Counter("glimpse_refusals", "Pictures not computed.", ("model", "reason"), registry=REGISTRY)
ACCESS_REFUSED = Counter(
    "glimpse_access_refused",
    "Requests without a valid key, or above their client's rate.",
    ("reason",),
    registry=REGISTRY,
)
CONNECTIONS_ENDED = Counter(
    "glimpse_connections_ended",
    "Connections that we closed: all taken, no HTTP, too slow, head too long, out of memory.",
    ("reason",),
    registry=REGISTRY,
)
STAGES = Histogram(
    "glimpse_stage_seconds",
    "Seconds a picture spent in each stage.",
    ("model", "stage"),
    buckets=STAGE_BUCKETS_S,
    registry=REGISTRY,
)
BATCHES = Histogram(
    "glimpse_batch_pictures",
    "Pictures in a batch.",
    ("model",),
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
    registry=REGISTRY,
)
WAITING = Gauge(
    "glimpse_queue_pictures",
    "Pictures that are under way: decoded, waiting or in a batch.",
    ("model",),
    registry=REGISTRY,
    multiprocess_mode="livesum",
)
HEALTHY = Gauge(
    "glimpse_model_healthy",
    "0 while a model fails on a golden picture.",
    ("model",),
    registry=REGISTRY,
    multiprocess_mode="livemin",
)
FAILURES = Counter(
    "glimpse_model_failures", "Pictures a model failed on.", ("model", "reason"), registry=REGISTRY
)
DEVICE = Gauge(
    "glimpse_device",
    "1 for the device that models run on.",
    ("device",),
    registry=REGISTRY,
    multiprocess_mode="livemax",
)

MODEL_CHANGES = Counter(
    "glimpse_model_changes",
    "Model files that were loaded, refused or unloaded while serving.",
    ("outcome",),
    registry=REGISTRY,
)
LOG_LINES_LOST = Counter(
    "glimpse_log_lines_lost", "Lines that the prediction log could not take.", registry=REGISTRY
)
LOG_PICTURES_LOST = Counter(
    "glimpse_log_pictures_lost", "Pictures that the prediction log could not keep.", registry=REGISTRY
)

STAGE_NAMES = ("decode", "view", "queue", "infer")
OUTCOMES = ("familiar", "unfamiliar", "bad picture", "refused", "gone", "failed")
REFUSAL_REASONS = ("full", "late", "deadline", "gone")
FAILURE_REASONS = ("error", "hung")


class Outcome:
    """What came of one picture: one of OUTCOMES, `failed` until it is set."""

    def __init__(self) -> None:
        self.name = "failed"
        self.reason = ""

    def refused(self, reason: str) -> None:
        """Set it to refused, for one of REFUSAL_REASONS."""
        self.name, self.reason = "refused", reason


class ModelMetrics:
    """The series of one model, looked up once: finding a label costs as much as counting."""

    def __init__(self, model: str) -> None:
        self._stages = {stage: STAGES.labels(model, stage) for stage in STAGE_NAMES}
        self._outcomes = {outcome: PICTURES.labels(model, outcome) for outcome in OUTCOMES}
        self._refusals = {reason: REFUSALS.labels(model, reason) for reason in REFUSAL_REASONS}
        self._failures = {reason: FAILURES.labels(model, reason) for reason in FAILURE_REASONS}
        self._batches = BATCHES.labels(model)
        self._waiting = WAITING.labels(model)

    @contextmanager
    def outcome(self) -> Iterator[Outcome]:
        """Count one picture when the block ends, also where it raises or is cancelled."""
        outcome = Outcome()
        try:
            yield outcome
        except asyncio.CancelledError:
            outcome.name = outcome.reason = "gone"
            raise
        finally:
            self._outcomes[outcome.name].inc()
            if outcome.reason:
                self._refusals[outcome.reason].inc()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count one picture as in flight during the block."""
        self._waiting.inc()
        try:
            yield
        finally:
            self._waiting.dec()

    def failure(self, reason: str) -> None:
        """Count a picture that the model failed on, for one of FAILURE_REASONS."""
        self._failures[reason].inc()

    def observe(self, stages: Mapping[str, float]) -> None:
        """Add the seconds that one picture spent in each of STAGE_NAMES."""
        for stage, seconds in stages.items():
            self._stages[stage].observe(seconds)

    def batch(self, pictures: int) -> None:
        """Add the size of one batch."""
        self._batches.observe(pictures)


_drift: DriftCollector | None = None


def register_drift(reports: Callable[[], Mapping[str, DriftReport]]) -> None:
    """Collect drift from now on, in the place of reports that were registered before.

    Args:
        reports: Returns the drift of each model, by its name; called for each exposition.
    """
    global _drift
    if _drift is not None:
        REGISTRY.unregister(_drift)
    _drift = DriftCollector(reports)
    REGISTRY.register(_drift)


def exposition() -> bytes:
    """All series, in the text format of Prometheus, summed over the workers.

    https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    folder = shared_folder()
    if folder is None:
        return generate_latest(REGISTRY)
    # A gauge of a worker that was killed would be summed up for ever.
    remove_files_of_dead_workers(folder, "gauge_live*.db")
    registry = CollectorRegistry()
    if _drift is not None:
        registry.register(_drift)
    MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
