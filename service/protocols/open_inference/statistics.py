"""Triton's statistics of each model, of all workers together since the service started.

What is queued is one picture, or the pixels of one request that run together: that is what the counts of
durations count, while inference_count counts pictures. Preparing a picture is compute_input. What has no like
here is left out (last_inference, batch_stats) or 0 (the time of failures, outputs and the cache).
Source: https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md
"""

from collections.abc import Iterator
from typing import Any

from starlette.responses import Response

from models.card import Card
from service.application import Application
from service.http.asgi_types import Receive, Scope
from service.http.bodies.body import RequestHead
from service.http.endpoint import READ, Endpoint
from service.http.problems import render_error
from service.monitoring.model_metrics import ModelMetrics
from service.protocols.open_inference.served import MODEL, VERSION, json_response, served_engine
from service.protocols.openapi import open_inference as openapi

ANSWERED = ("familiar", "unfamiliar")


def endpoints(application: Application) -> Iterator[Endpoint]:
    """GET .../stats of each model, and of all."""

    async def of_all(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        application.catalog.check_opened()
        engines = application.catalog.engines.values()
        return json_response({"model_stats": [_statistics(engine.card) for engine in engines]})

    async def of_one(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        return json_response({"model_stats": [_statistics(served_engine(application, scope).card)]})

    yield Endpoint("/v2/models/stats", READ, of_all, render=render_error, openapi=openapi.ALL_STATISTICS)
    for path in (MODEL, VERSION):
        yield Endpoint(f"{path}/stats", READ, of_one, render=render_error, openapi=openapi.MODEL_STATISTICS)


def _statistics(card: Card) -> dict[str, Any]:
    totals = ModelMetrics.of(card.name).totals()
    pictures, seconds = totals.pictures, totals.stage_s

    def duration(*stages: str) -> dict[str, int]:
        return {"count": totals.observations, "ns": int(1e9 * sum(seconds[stage] for stage in stages))}

    failed = sum(count for outcome, count in pictures.items() if outcome not in ANSWERED)
    return {
        "name": card.name,
        "version": card.version,
        "inference_count": sum(pictures[outcome] for outcome in ANSWERED),
        "execution_count": totals.batches,
        "inference_stats": {
            "success": duration(*seconds),
            "fail": {"count": failed, "ns": 0},
            "queue": duration("queue"),
            "compute_input": duration("decode", "view"),
            "compute_infer": duration("infer"),
            "compute_output": {"count": 0, "ns": 0},
            "cache_hit": {"count": 0, "ns": 0},
            "cache_miss": {"count": 0, "ns": 0},
        },
        "batch_stats": [],
    }
