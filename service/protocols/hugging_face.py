"""Hugging Face's inference API, for one task: image classification.

`InferenceClient(model="http://host:3000/hf/digits-cnn").image_classification("seven.png")` posts the bytes of
a picture, or JSON where there are parameters; `HfInference` of JavaScript does likewise.
Source: https://huggingface.co/docs/inference-providers/tasks/image-classification
"""

import json
from collections.abc import Iterator
from typing import Any

from starlette.responses import Response

from service.answers import PriceFacts
from service.application import Application
from service.errors import Malformed, UnknownModel
from service.http.asgi_types import Receive, Scope
from service.http.bodies.body import RequestHead
from service.http.bodies.json_body import parse_object
from service.http.endpoint import Endpoint
from service.prediction.predictor import Predicted
from service.protocols.base64_picture import EXAMPLE, picture_of
from service.protocols.intake import Intake

TASK, HEALTH = "/hf/{name}", "/hf/{name}/health"

PARAMETERS = ("function_to_apply", "top_k")

CLASSES = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"label": {"type": "string"}, "score": {"type": "number"}},
        "required": ["label", "score"],
    },
}

OPENAPI: dict[str, Any] = {
    "tags": ["Hugging Face"],
    "summary": "Image classification, as Hugging Face's clients ask for it",
    "description": "The bytes of a picture, or JSON with the picture in base64 and parameters. The classes"
    " come back with the most probable first.",
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "inputs": {
                            "type": "string",
                            "minLength": 1,
                            "description": "A picture in base64, or a data URL.",
                        },
                        "parameters": {
                            "type": "object",
                            "properties": {
                                "top_k": {
                                    "type": ["integer", "null"],
                                    "minimum": 1,
                                    "description": "So many classes; all without it.",
                                },
                                "function_to_apply": {
                                    "enum": ["softmax", None],
                                    "description": "The one that there is.",
                                },
                            },
                            "additionalProperties": False,
                        },
                    },
                    "required": ["inputs"],
                },
                "example": {"inputs": EXAMPLE, "parameters": {"top_k": 2}},
            },
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        },
    },
    "responses": {
        "200": {
            "description": "The classes.",
            "content": {
                "application/json": {
                    "schema": CLASSES,
                    "example": [{"label": "7", "score": 0.9992}, {"label": "1", "score": 0.0003}],
                }
            },
        }
    },
}

OPENAPI_HEALTH: dict[str, Any] = {
    "tags": ["Hugging Face"],
    "summary": "Whether a classifier can be asked",
    "responses": {
        "200": {
            "description": "It can.",
            "content": {"application/json": {"schema": {"type": "object"}, "example": {"status": "ok"}}},
        }
    },
}


def endpoints(application: Application) -> Iterator[Endpoint]:
    """POST /hf/NAME and GET /hf/NAME/health."""
    settings = application.settings

    async def classify(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        intake = Intake(application, scope, head, receive)
        content_type, _ = head.content_type
        is_json = content_type == b"application/json"
        async with intake.body(settings.max_json_bytes if is_json else settings.max_upload_bytes) as body:
            application.catalog.classifier(intake.model)
            # `curl -d` declares JSON to be a form; no picture begins with a brace.
            if is_json or body[:16].lstrip().startswith(b"{"):
                image, top_k = _request(body)
            else:
                image, top_k = body, None
            predicted = await intake.predict(TASK, image, intake.model)
        return Response(json.dumps(_classes(predicted)[:top_k]), media_type="application/json")

    async def health(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        application.check_ready()
        application.catalog.classifier(scope["path_params"]["name"])
        return Response('{"status": "ok"}', media_type="application/json")

    yield Endpoint(TASK, ("POST",), classify, traced=True, openapi=OPENAPI)
    yield Endpoint(HEALTH, ("GET", "HEAD"), health, is_open=True, openapi=OPENAPI_HEALTH)


def _request(body: bytes) -> tuple[bytes, int | None]:
    """The picture and `top_k` of a request in JSON.

    Raises:
        Malformed: It is no such request, or asks for what no answer here can be.
    """
    request = parse_object(body)
    parameters = request.get("parameters")
    if parameters is None:
        parameters = {}
    if not isinstance(parameters, dict):
        raise Malformed("`parameters` must be a JSON object.")
    if unknown := set(parameters) - set(PARAMETERS):
        raise Malformed(
            f"There is no parameter {min(unknown)[:64]!r} here; there are: {', '.join(PARAMETERS)}."
        )
    if parameters.get("function_to_apply") not in (None, "softmax"):
        raise Malformed(
            "`function_to_apply` must be softmax or left out: a model tells calibrated probabilities, never"
            " the scores before them."
        )
    top_k = parameters.get("top_k")
    if top_k is not None and (not isinstance(top_k, int) or isinstance(top_k, bool) or top_k < 1):
        raise Malformed("`top_k` must be a whole number from 1 on.")
    return picture_of(request.get("inputs")), top_k


def _classes(predicted: Predicted) -> list[dict[str, Any]]:
    """The classes, the most probable first."""
    facts = predicted.facts
    if isinstance(facts, PriceFacts):  # another model took the name meanwhile
        raise UnknownModel(f"{predicted.card.name} tells prices, not classes; POST the picture to /price.")
    ranked = sorted(facts.probabilities.items(), key=lambda item: -item[1])
    return [{"label": label, "score": probability} for label, probability in ranked]
