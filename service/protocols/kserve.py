"""KServe's protocol v1, which is TensorFlow Serving's REST API: rows of pictures to one named model.

Bodies are JSON whatever their declared type: TensorFlow Serving's documented requests are sent as forms.
Sources: https://www.tensorflow.org/tfx/serving/api_rest,
https://kserve.github.io/website/docs/concepts/architecture/data-plane/v1-protocol
"""

import json
from collections.abc import Iterator
from typing import Any

from starlette.responses import Response

from models.card import Card, ClassifierCard
from service.answers import ClassFacts, PictureProblem
from service.application import Application
from service.errors import Malformed, UnknownModel
from service.http.asgi_types import Receive, Scope
from service.http.bodies.body import RequestHead
from service.http.endpoint import READ, Endpoint, Respond
from service.http.problems import render_error
from service.prediction.predictor import Predicted
from service.protocols import rows
from service.protocols.intake import Intake
from service.protocols.openapi import kserve as openapi

MODELS = "/v1/models"
MODEL = f"{MODELS}/{{name}}"
VERSION = "/versions/{version}"

ROW_MEMBERS = ("instances", "inputs", "examples")
"""Of a request; one of them is there."""

PICTURES = {
    "dtype": "DT_STRING",
    "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
}
"""TensorFlow's description of a column of pictures, or of text."""

NUMBERS = PICTURES | {"dtype": "DT_FLOAT"}


def endpoints(application: Application) -> Iterator[Endpoint]:
    """The models, what each is, and :predict, :classify and :regress."""
    catalog = application.catalog
    find = {"predict": catalog.engine, "classify": catalog.classifier, "regress": catalog.regressor}

    async def models(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        catalog.check_opened()
        return _json({"models": sorted(catalog.engines)})

    async def status(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        engine = catalog.engine(scope["path_params"]["name"])
        card = _check_version(engine.card, scope)
        # KServe's client takes 503 for "not ready", and other statuses for errors.
        application.check_model_ready(engine)
        state = {"error_code": "OK", "error_message": ""}
        version = {"version": card.version, "state": "AVAILABLE", "status": state}
        return _json({"name": card.name, "ready": True, "model_version_status": [version]})

    async def metadata(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        card = _check_version(catalog.engine(scope["path_params"]["name"]).card, scope)
        return _json({
            "model_spec": {"name": card.name, "signature_name": "", "version": card.version},
            "metadata": {"signature_def": {"signature_def": {"serving_default": _signature(card)}}},
        })  # fmt: skip

    def ask(verb: str, path: str) -> Respond:
        async def respond(scope: Scope, head: RequestHead, receive: Receive) -> Response:
            intake = Intake(application, scope, head, receive)
            _check_version(find[verb](intake.model).card, scope)
            async with intake.body(application.settings.max_json_bytes) as body:
                request = rows.parse(body)
                member, items = _items(request)
                predictions = await rows.predict(application, intake, path, items, intake.model)
            if member == "examples":
                # Without more members: TensorFlow Serving's own clients know none here.
                return _json({"results": [_result(row) for row in predictions.rows]})
            name = "outputs" if member == "inputs" else "predictions"
            return _json({name: predictions.as_json()} | predictions.source())

        return respond

    yield Endpoint(MODELS, READ, models, render=render_error, openapi=openapi.models())
    for base in (MODEL + VERSION, MODEL):
        for verb in find:
            path = f"{base}:{verb}"
            description = openapi.asking(verb, application.settings)
            yield Endpoint(
                path, ("POST",), ask(verb, path), traced=True, render=render_error, openapi=description
            )
        yield Endpoint(f"{base}/metadata", READ, metadata, render=render_error, openapi=openapi.metadata())
    for base in (MODEL + VERSION, MODEL):
        yield Endpoint(base, READ, status, is_open=True, render=render_error, openapi=openapi.status())


def _json(value: dict[str, Any]) -> Response:
    return Response(json.dumps(value), media_type="application/json")


def _check_version(card: Card, scope: Scope) -> Card:
    """The card, if it is that of the version in the path, or there is none. Raises UnknownModel."""
    version = scope["path_params"].get("version")
    if version not in (None, card.version):
        raise UnknownModel(f"{card.name} is served in version {card.version}, not {version[:64]!r}.")
    return card


def _items(request: dict[str, Any]) -> tuple[str, list[Any]]:
    """The name of the rows in a request, and the rows."""
    members = [member for member in ROW_MEMBERS if member in request]
    if len(members) != 1:
        raise Malformed(
            'Send {"instances": [picture, ...]}; or `inputs`, or `examples`, and one of them only.'
        )
    member = members[0]
    value = request[member]
    return member, rows.check_count(rows.column_items(value) if member == "inputs" else value, member)


def _result(row: Predicted | PictureProblem) -> object:
    """[[label, score], ...], the most probable first; or a price; or the error."""
    if isinstance(row, PictureProblem):
        return row.model_dump()
    if isinstance(row.facts, ClassFacts):
        ranked = sorted(row.facts.probabilities.items(), key=lambda item: -item[1])
        return [list(item) for item in ranked]
    return row.facts.price


def _signature(card: Card) -> dict[str, Any]:
    """Pictures in, facts out, as TensorFlow Serving describes a model."""
    is_classifier = isinstance(card, ClassifierCard)
    texts, numbers = (("label",), ("probability",)) if is_classifier else ((), ("price", "low", "high"))
    outputs = dict.fromkeys(texts, PICTURES) | dict.fromkeys(numbers, NUMBERS)
    return {
        "inputs": {"image": PICTURES | {"name": "image"}},
        "outputs": {name: shape | {"name": name} for name, shape in outputs.items()},
        "method_name": "tensorflow/serving/predict",
    }
