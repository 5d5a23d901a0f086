"""SageMaker's contract with a container: /ping, /invocations and, for batch transform, /execution-parameters.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-inference-code.html,
https://docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-batch-code.html
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from starlette.responses import Response

from service.application import Application
from service.errors import Problem
from service.http.asgi_types import Receive, Scope
from service.http.bodies.body import MAX_BATCH_PICTURES, RequestHead
from service.http.bodies.json_body import parse_json
from service.http.endpoint import READ, Endpoint
from service.protocols import rows
from service.protocols.intake import Intake
from service.protocols.openapi import sagemaker as openapi

INVOCATIONS = "/invocations"

JSON_LINES = frozenset({b"application/jsonlines", b"application/x-jsonlines", b"application/jsonl"})
"""What batch transform sends for a file of lines."""

MAX_LINE_VALUES = rows.MAX_VALUES // MAX_BATCH_PICTURES
"""In the JSON of one line."""

ATTRIBUTES = b"x-amzn-sagemaker-custom-attributes"
MODEL = re.compile(r"(?:^|[,;\s])model=([^,;\s]+)")

MAX_PAYLOAD_MB = 6
"""Of one request of batch transform, and what SageMaker assumes unless told otherwise."""

MAX_IN_FLIGHT_MB = 100
"""Of all its requests at once, by SageMaker's own rule."""


def endpoints(application: Application) -> Iterator[Endpoint]:
    """The three."""
    settings = application.settings

    async def invoke(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        intake = Intake(application, scope, head, receive)
        is_lines = head.content_type[0] in JSON_LINES
        is_json = is_lines or rows.is_json(head)
        async with intake.body(settings.max_json_bytes if is_json else settings.max_upload_bytes) as body:
            if is_lines:
                lines = rows.check_count([line for line in body.splitlines() if line.strip()], "the body")
                items = [_line(line) for line in lines]
                predictions = await rows.predict(application, intake, INVOCATIONS, items, _model(head))
                answers = "".join(json.dumps(row) + "\n" for row in predictions.as_json())
                return Response(answers, media_type="application/jsonlines")
            if not rows.is_json(head, body):
                answer = await rows.answer_one(intake, INVOCATIONS, body, _model(head))
            else:
                items = rows.check_count(rows.parse(body).get("instances"), "instances")
                predictions = await rows.predict(application, intake, INVOCATIONS, items, _model(head))
                answer = {"predictions": predictions.as_json()} | predictions.source()
        return Response(json.dumps(answer), media_type="application/json")

    async def ping(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        application.check_ready()
        return Response()

    async def execution_parameters(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        payload = min(max(settings.max_upload_bytes // 2**20, 1), MAX_PAYLOAD_MB)
        answer = {
            "MaxConcurrentTransforms": MAX_IN_FLIGHT_MB // payload,
            "BatchStrategy": "SINGLE_RECORD",
            "MaxPayloadInMB": payload,
        }
        return Response(json.dumps(answer), media_type="application/json")

    description = openapi.invocations(settings)
    yield Endpoint(INVOCATIONS, ("POST",), invoke, traced=True, takes=_takes, openapi=description)
    yield Endpoint("/ping", READ, ping, is_open=True, takes=lambda head: True, openapi=openapi.PING)
    yield Endpoint(
        "/execution-parameters",
        READ,
        execution_parameters,
        is_open=True,
        openapi=openapi.EXECUTION_PARAMETERS,
    )


def _takes(head: RequestHead) -> bool:
    """Pictures, lines, and what has SageMaker's header; other JSON may be for another protocol."""
    return not rows.is_json(head) or ATTRIBUTES in head.headers


def _model(head: RequestHead) -> str | None:
    """The model that a caller of InvokeEndpoint chose: custom attributes are the one header it may set."""
    found = MODEL.search(head.headers.get(ATTRIBUTES, b"").decode("latin-1"))
    return found[1] if found else head.model


def _line(line: bytes) -> Any:
    """The item on a line; where it is no JSON, something that is no picture either."""
    try:
        return parse_json(line, MAX_LINE_VALUES)
    except Problem:
        return None
