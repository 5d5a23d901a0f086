"""The series of each model, counted in plain numbers and turned into Prometheus's when they are asked for.

A picture touches a dozen of them. prometheus_client takes a lock, and with several workers packs bytes, for
each: 25 us of a picture's time; this takes 3 (docs/log.md).
"""

import asyncio
import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from service.monitoring.shared.counters import SharedCounters

STAGE_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)

STAGE_NAMES = ("decode", "view", "queue", "infer")
OUTCOMES = ("familiar", "unfamiliar", "bad picture", "refused", "gone", "failed")
REFUSAL_REASONS = ("full", "late", "deadline", "gone")
FAILURE_REASONS = ("error", "hung")

# Positions among the counters. A histogram has one counter per bucket, one beyond the last, and its sum.
_STAGE_SIZE = len(STAGE_BUCKETS_S) + 2
_BATCH_SIZE = len(BATCH_BUCKETS) + 2
_BATCHES = len(STAGE_NAMES) * _STAGE_SIZE
_OUTCOME = {name: _BATCHES + _BATCH_SIZE + index for index, name in enumerate(OUTCOMES)}
_REFUSAL = {name: max(_OUTCOME.values()) + 1 + index for index, name in enumerate(REFUSAL_REASONS)}
_FAILURE = {name: max(_REFUSAL.values()) + 1 + index for index, name in enumerate(FAILURE_REASONS)}
_SIZE = max(_FAILURE.values()) + 1


@dataclass(frozen=True, slots=True)
class ModelTotals:
    """What was counted of one model, by all workers.

    Attributes:
        pictures: By OUTCOMES.
        batches: Runs of the model.
        observations: Pictures, and tensors of them, whose stages were measured.
        stage_s: Their seconds, by STAGE_NAMES.
    """

    pictures: Mapping[str, int]
    batches: int
    observations: int
    stage_s: Mapping[str, float]


class ModelMetrics:
    """The series of one model in this process."""

    _all: ClassVar[dict[str, "ModelMetrics"]] = {}

    def __init__(self, model: str) -> None:
        self._shared = SharedCounters(f"model-{model}", _SIZE, keep_dead=True)
        self._shared_waiting = SharedCounters(f"waiting-{model}", 1)
        self._counts = self._shared.own
        self._waiting = self._shared_waiting.own

    @classmethod
    def of(cls, model: str) -> "ModelMetrics":
        """The one instance of a model: an engine that replaces another goes on counting."""
        if model not in cls._all:
            cls._all[model] = cls(model)
        return cls._all[model]

    def outcome(self, pictures: int = 1) -> "Outcome":
        """Counts pictures as in flight during a `with` block, and what came of them at its end."""
        return Outcome(self, pictures)

    def refusal(self, reason: str) -> None:
        """Count a picture that was refused before anything was done with it, for one of REFUSAL_REASONS."""
        self._counts[_OUTCOME["refused"]] += 1
        self._counts[_REFUSAL[reason]] += 1

    def failure(self, reason: str) -> None:
        """Count a picture that the model failed on, for one of FAILURE_REASONS."""
        self._counts[_FAILURE[reason]] += 1

    def observe(self, *stages: float) -> None:
        """Add the seconds that one picture, or one tensor of them, spent in each of STAGE_NAMES."""
        counts, start = self._counts, 0
        for seconds in stages:
            counts[start + bisect_left(STAGE_BUCKETS_S, seconds)] += 1
            start += _STAGE_SIZE
            counts[start - 1] += seconds

    def batch(self, pictures: int) -> None:
        """Add the size of one batch; an empty one is none."""
        if pictures:
            self._counts[_BATCHES + bisect_left(BATCH_BUCKETS, pictures)] += 1
            self._counts[_BATCHES + _BATCH_SIZE - 1] += pictures

    def totals(self) -> ModelTotals:
        """What was counted so far, by all workers."""
        counts = self._shared.total()
        return ModelTotals(
            pictures={name: int(counts[position]) for name, position in _OUTCOME.items()},
            batches=int(sum(counts[_BATCHES : _BATCHES + _BATCH_SIZE - 1])),
            observations=int(sum(counts[: _STAGE_SIZE - 1])),
            stage_s={name: counts[(index + 1) * _STAGE_SIZE - 1] for index, name in enumerate(STAGE_NAMES)},
        )

    def _begin(self, pictures: int) -> None:
        self._waiting[0] += pictures

    def _end(self, outcome: "Outcome") -> None:
        self._waiting[0] -= outcome.pictures
        self._counts[_OUTCOME[outcome.name]] += outcome.pictures - outcome.unfamiliar
        self._counts[_OUTCOME["unfamiliar"]] += outcome.unfamiliar
        if outcome.reason:
            self._counts[_REFUSAL[outcome.reason]] += outcome.pictures


class Outcome:
    """What came of pictures: one of OUTCOMES, `failed` until it is set, `gone` where they are cancelled.

    Attributes:
        pictures: How many.
        unfamiliar: Of these, where the others are something else.
        name: Of all others.
        reason: One of REFUSAL_REASONS, where they were refused.
    """

    __slots__ = ("_metrics", "name", "pictures", "reason", "unfamiliar")

    def __init__(self, metrics: ModelMetrics, pictures: int) -> None:
        self._metrics = metrics
        self.pictures, self.unfamiliar = pictures, 0
        self.name = "failed"
        self.reason = ""

    def refused(self, reason: str) -> None:
        """Set it to refused, for one of REFUSAL_REASONS."""
        self.name, self.reason = "refused", reason

    def __enter__(self) -> "Outcome":
        self._metrics._begin(self.pictures)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is asyncio.CancelledError:
            self.name = self.reason = "gone"
        self._metrics._end(self)


class ModelCollector(Collector):
    """Collects the series of every model, summed over the workers."""

    def collect(self) -> Iterable[Metric]:
        """The six families, as prometheus_client asks for them."""
        pictures = CounterMetricFamily(
            "glimpse_pictures", "Pictures by what came of them.", labels=("model", "outcome")
        )
        refusals = CounterMetricFamily(
            "glimpse_refusals", "Pictures not computed.", labels=("model", "reason")
        )
        failures = CounterMetricFamily(
            "glimpse_model_failures", "Pictures a model failed on.", labels=("model", "reason")
        )
        stages = HistogramMetricFamily(
            "glimpse_stage_seconds", "Seconds a picture spent in each stage.", labels=("model", "stage")
        )
        batches = HistogramMetricFamily("glimpse_batch_pictures", "Pictures in a batch.", labels=("model",))
        waiting = GaugeMetricFamily(
            "glimpse_queue_pictures",
            "Pictures that are under way: decoded, waiting or in a batch.",
            labels=("model",),
        )
        for model, metrics in sorted(ModelMetrics._all.items()):
            counts = metrics._shared.total()
            for family, positions in ((pictures, _OUTCOME), (refusals, _REFUSAL), (failures, _FAILURE)):
                for name, position in positions.items():
                    family.add_metric((model, name), counts[position])
            for index, stage in enumerate(STAGE_NAMES):
                own = counts[index * _STAGE_SIZE : (index + 1) * _STAGE_SIZE]
                stages.add_metric((model, stage), _cumulative(STAGE_BUCKETS_S, own[:-1]), own[-1])
            own = counts[_BATCHES : _BATCHES + _BATCH_SIZE]
            batches.add_metric((model,), _cumulative(BATCH_BUCKETS, own[:-1]), own[-1])
            waiting.add_metric((model,), metrics._shared_waiting.total()[0])
        return pictures, refusals, failures, stages, batches, waiting

    def describe(self) -> Iterable[Metric]:
        """Nothing, so that registering it computes nothing."""
        return ()


def _cumulative(bounds: Iterable[float], counts: list[float]) -> list[tuple[str, float]]:
    """Prometheus's buckets: how many values are at most each bound."""
    total = 0.0
    buckets = []
    for bound, count in zip((*bounds, math.inf), counts, strict=True):
        total += count
        buckets.append(("+Inf" if bound == math.inf else str(float(bound)), total))
    return buckets
