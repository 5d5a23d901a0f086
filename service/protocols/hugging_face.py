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
from service.errors import Malformed, NotReady
from service.http.asgi_types import Receive, Scope
from service.http.body import RequestHead
from service.http.endpoint import Endpoint
from service.http.json_body import parse_object
from service.prediction.predictor import Predicted
from service.protocols.base64_picture import picture_of
from service.protocols.intake import Intake

TASK, HEALTH = "/hf/{name}", "/hf/{name}/health"


def endpoints(application: Application) -> Iterator[Endpoint]:
    """POST /hf/NAME and GET /hf/NAME/health."""
    settings = application.settings

    async def classify(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        intake = Intake(application, scope, head, receive)
        content_type, _ = head.content_type
        is_json = content_type == b"application/json"
        async with intake.body(settings.max_json_bytes if is_json else settings.max_upload_bytes) as body:
            image, parameters = _request(body) if is_json else (body, {})
            top_k = parameters.get("top_k")
            if top_k is not None and (not isinstance(top_k, int) or isinstance(top_k, bool) or top_k < 1):
                raise Malformed("`top_k` must be a whole number from 1 on.")
            predicted = await intake.predict(TASK, image, intake.model)
        return Response(json.dumps(_classes(predicted)[:top_k]), media_type="application/json")

    async def health(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        if reason := application.unready_reason:
            raise NotReady(reason)
        application.catalog.classifier(scope["path_params"]["name"])
        return Response('{"status": "ok"}', media_type="application/json")

    yield Endpoint(TASK, ("POST",), classify, traced=True)
    yield Endpoint(HEALTH, ("GET", "HEAD"), health, is_open=True)


def _request(body: bytes) -> tuple[bytes, dict[str, Any]]:
    """The picture and the parameters of a request in JSON."""
    request = parse_object(body)
    parameters = request.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise Malformed("`parameters` must be a JSON object.")
    return picture_of(request.get("inputs")), parameters


def _classes(predicted: Predicted) -> list[dict[str, Any]]:
    """The classes, the most probable first."""
    facts = predicted.facts
    if isinstance(facts, PriceFacts):
        raise Malformed(f"{predicted.card.name} tells prices, not classes; POST the picture to /price.")
    ranked = sorted(facts.probabilities.items(), key=lambda item: -item[1])
    return [{"label": label, "score": probability} for label, probability in ranked]
