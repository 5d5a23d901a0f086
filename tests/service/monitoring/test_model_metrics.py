"""The series of a model: the same numbers as prometheus_client's own, which takes longer."""

import asyncio
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Histogram

from service.monitoring.model_metrics import (
    BATCH_BUCKETS,
    OUTCOMES,
    STAGE_BUCKETS_S,
    STAGE_NAMES,
    ModelCollector,
    ModelMetrics,
)
from service.monitoring.shared.folder import SHARED_FOLDER

SECONDS = st.one_of(st.floats(0, 20), st.sampled_from(STAGE_BUCKETS_S))


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    monkeypatch.delenv(SHARED_FOLDER, raising=False)


def samples(model: str, family: str) -> dict[tuple[str, ...], float]:
    """Values by the name of the series and its labels but the model, without prometheus_client's dates."""
    found = {}
    for metric in ModelCollector().collect():
        for sample in metric.samples:
            if metric.name == family and sample.labels["model"] == model:
                labels = sorted((k, v) for k, v in sample.labels.items() if k != "model")
                found[sample.name, *(v for _, v in labels)] = sample.value
    return found


@settings(max_examples=40)
@given(st.lists(st.tuples(SECONDS, SECONDS, SECONDS, SECONDS), max_size=20), st.lists(st.integers(1, 400)))
def test_histograms_are_those_of_prometheus(stages, batches):
    model, registry = uuid.uuid4().hex, CollectorRegistry()
    theirs = Histogram("stage", "", ("stage",), buckets=STAGE_BUCKETS_S, registry=registry)
    sizes = Histogram("batch", "", buckets=BATCH_BUCKETS, registry=registry)
    ours = ModelMetrics.of(model)
    for row in stages:
        ours.observe(*row)
        for name, seconds in zip(STAGE_NAMES, row, strict=True):
            theirs.labels(name).observe(seconds)
    for size in batches:
        ours.batch(size)
        sizes.observe(size)

    shown = samples(model, "glimpse_stage_seconds")
    for sample in next(iter(theirs.collect())).samples:
        if not sample.name.endswith("_created"):
            labels = [sample.labels[name] for name in ("le", "stage") if name in sample.labels]
            key = sample.name.replace("stage", "glimpse_stage_seconds", 1), *labels
            assert shown[key] == pytest.approx(sample.value)
    assert samples(model, "glimpse_batch_pictures")["glimpse_batch_pictures_sum",] == sum(batches)
    assert samples(model, "glimpse_batch_pictures")["glimpse_batch_pictures_count",] == len(batches)


def test_what_came_of_a_picture_is_counted_also_where_it_raises():
    model = uuid.uuid4().hex
    metrics = ModelMetrics.of(model)
    waiting = ("glimpse_queue_pictures",)
    with metrics.outcome() as outcome:
        assert samples(model, "glimpse_queue_pictures")[waiting] == 1
        outcome.name = "familiar"
    with pytest.raises(ZeroDivisionError), metrics.outcome():
        raise ZeroDivisionError
    with pytest.raises(asyncio.CancelledError), metrics.outcome():
        raise asyncio.CancelledError
    with metrics.outcome() as outcome:
        outcome.refused("late")

    counted = samples(model, "glimpse_pictures")
    expected = {"familiar": 1, "failed": 1, "gone": 1, "refused": 1}
    assert counted == {("glimpse_pictures_total", name): expected.get(name, 0) for name in OUTCOMES}
    assert samples(model, "glimpse_refusals")["glimpse_refusals_total", "gone"] == 1
    assert samples(model, "glimpse_refusals")["glimpse_refusals_total", "late"] == 1
    assert samples(model, "glimpse_queue_pictures")[waiting] == 0


def test_an_engine_that_replaces_another_goes_on_counting():
    model = uuid.uuid4().hex
    assert ModelMetrics.of(model) is ModelMetrics.of(model)


def test_totals():
    metrics = ModelMetrics.of(uuid.uuid4().hex)
    metrics.observe(1.0, 2.0, 0.5, 4.0)
    metrics.observe(0.0, 0.0, 0.25, 100.0)
    for size in (1, 64, 999):
        metrics.batch(size)
    with metrics.outcome(64) as outcome:
        outcome.name, outcome.unfamiliar = "familiar", 3

    totals = metrics.totals()
    assert totals.stage_s == {"decode": 1.0, "view": 2.0, "queue": 0.75, "infer": 104.0}
    assert (totals.observations, totals.batches) == (2, 3)
    assert totals.pictures == {name: {"familiar": 61, "unfamiliar": 3}.get(name, 0) for name in OUTCOMES}
