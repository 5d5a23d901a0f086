"""Prometheus series of the service; every label comes from a closed set.

BentoML's own HTTP series label by raw path and would grow with every unknown path a client tries:
they are switched off, these take their place. With several workers each writes to a folder that all
share, and whichever is asked sums over them.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from service.monitoring.drift import DriftReport
from service.monitoring.shared_counters import SHARED_FOLDER

REGISTRY = CollectorRegistry()

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)

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
    buckets=SECONDS,
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
REASONS = ("full", "late", "deadline", "gone")


class DriftSeries(Collector):
    """Computed when it is asked for, over all workers. A series that means nothing yet is not there.

    reports: asked for each model's drift, by its name.
    """

    def __init__(self) -> None:
        self.reports: Callable[[], Mapping[str, DriftReport]] = dict

    def collect(self) -> Iterable[Metric]:
        answers = GaugeMetricFamily(
            "glimpse_drift_answers", "Answers that drift is measured on.", labels=("model",)
        )
        unfamiliar = GaugeMetricFamily(
            "glimpse_drift_unfamiliar_share", "Share of them that was unfamiliar.", labels=("model",)
        )
        index = GaugeMetricFamily(
            "glimpse_drift_index",
            "Population stability index against the card: above 0.1 a change, above 0.25 a large one.",
            labels=("model", "facet"),
        )
        for model, drifted in self.reports().items():
            answers.add_metric((model,), drifted.answers)
            if drifted.unfamiliar is not None:
                unfamiliar.add_metric((model,), drifted.unfamiliar)
            for facet, value in drifted.index.items():
                if value is not None:
                    index.add_metric((model, facet), value)
        return answers, unfamiliar, index

    def describe(self) -> Iterable[Metric]:
        return ()


DRIFT = DriftSeries()
REGISTRY.register(DRIFT)


class Outcome:
    """What came of one picture; `failed` until somebody knows better."""

    def __init__(self) -> None:
        self.name = "failed"
        self.reason = ""

    def refused(self, reason: str) -> None:
        self.name, self.reason = "refused", reason


class ModelMetrics:
    """The series of one model, looked up once: finding a label costs as much as counting."""

    def __init__(self, model: str) -> None:
        self._stages = {stage: STAGES.labels(model, stage) for stage in STAGE_NAMES}
        self._outcomes = {outcome: PICTURES.labels(model, outcome) for outcome in OUTCOMES}
        self._reasons = {reason: REFUSALS.labels(model, reason) for reason in REASONS}
        self._failures = {reason: FAILURES.labels(model, reason) for reason in ("error", "hung")}
        self._batches = BATCHES.labels(model)
        self._waiting = WAITING.labels(model)

    @contextmanager
    def outcome(self) -> Iterator[Outcome]:
        """Counts one picture when it is done, whatever the end."""
        outcome = Outcome()
        try:
            yield outcome
        except asyncio.CancelledError:
            outcome.name = outcome.reason = "gone"
            raise
        finally:
            self._outcomes[outcome.name].inc()
            if outcome.reason:
                self._reasons[outcome.reason].inc()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        self._waiting.inc()
        try:
            yield
        finally:
            self._waiting.dec()

    def failure(self, reason: str) -> None:
        self._failures[reason].inc()

    def observe(self, stages: Mapping[str, float]) -> None:
        for stage, seconds in stages.items():
            self._stages[stage].observe(seconds)

    def batch(self, pictures: int) -> None:
        self._batches.observe(pictures)


def exposition() -> bytes:
    """The text format of https://prometheus.io/docs/instrumenting/exposition_formats/."""
    folder = os.environ.get(SHARED_FOLDER)
    if not folder:
        return generate_latest(REGISTRY)
    _forget_the_dead(Path(folder))
    together = CollectorRegistry()
    together.register(DRIFT)
    MultiProcessCollector(together, folder)  # type: ignore[no-untyped-call]
    return generate_latest(together)


def _forget_the_dead(folder: Path) -> None:
    """A worker that was killed leaves its gauges behind; nobody else can take them back."""
    for file in folder.glob("gauge_live*.db"):
        pid = int(file.stem.rpartition("_")[2])
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]
