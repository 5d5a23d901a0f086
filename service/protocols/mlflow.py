"""MLflow's scoring protocol: /invocations with rows or a data frame, /ping, /health and /version.

Of a data frame one column is read: the only one, or `image`. CSV is not: a picture in base64 is no cell.
Source: https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally
"""

import json
from collections.abc import Iterator
from typing import Any

from starlette.responses import Response

from service.application import Application
from service.errors import Malformed, Problem
from service.http.asgi_types import Receive, Scope
from service.http.bodies.body import RequestHead
from service.http.endpoint import READ, Endpoint
from service.protocols import rows
from service.protocols.base64_picture import picture_name
from service.protocols.intake import Intake
from service.protocols.openapi import mlflow as openapi

INVOCATIONS = "/invocations"

VERSION = "2.0"
"""Of MLflow, the first whose servers read these forms: what its clients ask for."""

ROW_MEMBERS = ("instances", "inputs", "dataframe_split", "dataframe_records")
"""Of a request; one of them is there."""

ERROR_CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    404: "RESOURCE_DOES_NOT_EXIST",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
    504: "TEMPORARILY_UNAVAILABLE",
}
"""MLflow's own, by status; any other is a BAD_REQUEST."""


def endpoints(application: Application) -> Iterator[Endpoint]:
    """The four."""

    async def invoke(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        intake = Intake(application, scope, head, receive)
        async with intake.body(application.settings.max_json_bytes) as body:
            request = rows.parse(body)
            model = rows.named_model(request, "params", head)
            predictions = await rows.predict(application, intake, INVOCATIONS, _items(request), model)
        answer = {"predictions": predictions.as_json()} | predictions.source()
        return Response(json.dumps(answer), media_type="application/json")

    async def ping(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        application.check_ready()
        return Response("\n", media_type="application/json")

    async def version(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        return Response(VERSION, media_type="text/plain")

    yield Endpoint(
        INVOCATIONS,
        ("POST",),
        invoke,
        traced=True,
        render=render,
        takes=rows.is_json,
        openapi=openapi.invocations(application.settings),
    )
    for path in ("/ping", "/health"):
        yield Endpoint(
            path,
            READ,
            ping,
            is_open=True,
            render=render,
            takes=lambda head: True,
            openapi=openapi.HEALTH,
        )
    yield Endpoint("/version", READ, version, is_open=True, render=render, openapi=openapi.VERSION)


def render(problem: Problem, request_id: str) -> Response:
    """An error as MLflow's clients know it."""
    code = ERROR_CODES.get(problem.status, "BAD_REQUEST")
    content = json.dumps({"error_code": code, "message": problem.detail})
    return Response(content, problem.status, problem.headers, "application/json")


def _items(request: dict[str, Any]) -> list[Any]:
    members = [member for member in ROW_MEMBERS if member in request]
    if len(members) != 1:
        raise Malformed(f"Send the pictures as one of {ROW_MEMBERS} in a JSON object.")
    member = members[0]
    value = request[member]
    if member == "dataframe_split":
        return _split_items(value)
    return rows.check_count(rows.column_items(value) if member == "inputs" else value, member)


def _split_items(frame: object) -> list[Any]:
    """The pictures of a data frame in pandas' orient "split"; a row of another length is no picture."""
    columns = frame.get("columns") if isinstance(frame, dict) else None
    if not isinstance(frame, dict) or not isinstance(columns, list):
        raise Malformed('`dataframe_split` must be {"columns": ["image"], "data": [[picture], ...]}.')
    column = columns.index(picture_name(columns))
    data = rows.check_count(frame.get("data"), "data")
    return [row[column] if isinstance(row, list) and len(row) == len(columns) else None for row in data]
