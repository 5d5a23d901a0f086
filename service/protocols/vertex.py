"""Vertex AI's contract with a container: it names two paths, and sends predictions and health checks to them.

Without AIP_PREDICT_ROUTE and AIP_HEALTH_ROUTE, which Vertex AI always sets, there is nothing here.
Source: https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements
"""

import json
from collections.abc import Iterator

from starlette.responses import Response

from service.application import Application
from service.errors import Problem
from service.http.asgi_types import Receive, Scope
from service.http.bodies.body import RequestHead
from service.http.endpoint import READ, Endpoint
from service.protocols import rows
from service.protocols.intake import Intake
from service.protocols.openapi import vertex as openapi

CODES = {
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""Google's names of errors by status; any other is an INVALID_ARGUMENT."""


def endpoints(application: Application) -> Iterator[Endpoint]:
    """Those at the two paths."""
    settings = application.settings
    route = settings.aip_predict_route

    async def predict(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        intake = Intake(application, scope, head, receive)
        limit = settings.max_json_bytes if rows.is_json(head) else settings.max_upload_bytes
        async with intake.body(limit) as body:
            if not rows.is_json(head, body):  # rawPredict sends what its caller sent
                answer = await rows.answer_one(intake, route, body, head.model)
            else:
                request = rows.parse(body)
                model = rows.named_model(request, "parameters", head)
                items = rows.check_count(request.get("instances"), "instances")
                predictions = await rows.predict(application, intake, route, items, model)
                # No other member: Vertex AI makes a message of its own of it, which has a `model` already.
                answer = {"predictions": predictions.as_json()}
        return Response(json.dumps(answer), media_type="application/json")

    async def health(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        application.check_ready()
        return Response()

    if route:
        description = openapi.predict(settings)
        yield Endpoint(
            route, ("POST",), predict, traced=True, render=render, takes=_takes, openapi=description
        )
    if settings.aip_health_route:
        yield Endpoint(
            settings.aip_health_route,
            READ,
            health,
            is_open=True,
            takes=lambda head: True,
            openapi=openapi.HEALTH,
        )


def render(problem: Problem, request_id: str) -> Response:
    """An error as Google's clients know it: https://cloud.google.com/apis/design/errors."""
    error = {
        "code": problem.status,
        "message": problem.detail,
        "status": CODES.get(problem.status, "INVALID_ARGUMENT"),
    }
    return Response(json.dumps({"error": error}), problem.status, problem.headers, "application/json")


def _takes(head: RequestHead) -> bool:
    """All but forms, where it is given the path of another call."""
    return head.content_type[0] != b"multipart/form-data"
