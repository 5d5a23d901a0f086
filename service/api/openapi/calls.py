"""Glimpse's own calls, described one by one."""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from models.prediction_record import Truth
from service.answers import ClassAnswer, ClassAnswers, ModelList, PriceAnswer, PriceAnswers
from service.api.openapi.errors import (
    ANY_ERRORS,
    BODY_ERRORS,
    PICTURE_ERRORS,
    PICTURES_ERRORS,
    Problems,
)
from service.errors import Forbidden, ModelRefused, NotLogged, NotReady, Unauthorised, UnknownModel
from service.http.bodies.body import MAX_BATCH_PICTURES
from service.http.openapi import examples
from service.http.openapi.schemas import BINARY, json_body, readable_bytes, schema
from service.repository.index import IndexEntry
from service.settings import Settings

TAGS = {
    "Pictures": "One picture in, a class or a price out; or many pictures at once.",
    "Models": "What is served, and by calls of the repository what shall be.",
    "Operations": "Probes and metrics.",
    "Hugging Face": "The inference API of Hugging Face, for its clients in Python and JavaScript.",
    "KServe and TensorFlow Serving": "Rows of pictures to one named model: KServe's protocol v1.",
    "Vertex AI": "The two paths that Vertex AI names.",
    "SageMaker": "What SageMaker asks of a container.",
    "MLflow": "MLflow's scoring protocol: rows, or a data frame.",
    "Open Inference Protocol": "What clients of Triton and KServe speak: tensors in and out.",
    "Other protocols": "Calls of further protocols that are switched on.",
}


@dataclass(frozen=True)
class Call:
    """One method of one path.

    Attributes:
        operation: OpenAPI's Operation Object, without errors.
        errors: The problems that a client may meet.
    """

    method: str
    path: str
    operation: dict[str, Any]
    errors: Problems


def own_calls(settings: Settings) -> Iterator[Call]:
    """All of them, in the order in which people read them."""
    yield from _picture_calls(settings)
    yield _feedback()
    yield from _model_calls()
    yield from _probes()


def _picture_calls(settings: Settings) -> Iterator[Call]:
    classifiers = ("classifier", settings.default_classifier)
    regressors = ("regressor", settings.default_regressor)
    one, many = readable_bytes(settings.max_upload_bytes), readable_bytes(settings.max_batch_bytes)
    limits = (
        f"A picture has at most {one} and {settings.max_pixels / 1e6:g} megapixels,"
        f" and is one of {', '.join(settings.formats)}."
    )
    for path, asks, (kind, default), answer, example in (
        ("/classify", "What is on a picture?", classifiers, ClassAnswer, examples.CLASS_ANSWER),
        ("/price", "What does the car on a picture cost?", regressors, PriceAnswer, examples.PRICE_ANSWER),
    ):
        model = {"type": "string", "description": f"A {kind} of GET /models.", "examples": [default]}
        form = _form(model, "image", BINARY | {"description": f"One picture, at most {one}."})
        bare = {"schema": BINARY}
        content = {"multipart/form-data": {"schema": form}}
        operation = {
            "tags": ["Pictures"],
            "operationId": path[1:],
            "summary": asks,
            "description": f"{limits} Without `model` the default {kind} answers. The picture is the field"
            " `image` of a form, or the whole body with a type of its own.",
            "parameters": [_model_in_query(model)],
            "requestBody": {
                "required": True,
                "content": content | {"image/*": bare, "application/octet-stream": bare},
            },
            "responses": _success("The answer.", answer, example),
        }
        yield Call("post", path, operation, PICTURE_ERRORS)
    for path, asks, (kind, default), answers, example in (
        ("/classify/batch", "What is on each picture?", classifiers, ClassAnswers, examples.CLASS_ANSWERS),
        ("/price/batch", "What does each car cost?", regressors, PriceAnswers, examples.PRICE_ANSWERS),
    ):
        model = {"type": "string", "description": f"A {kind} of GET /models.", "examples": [default]}
        pictures = {"type": "array", "items": BINARY, "minItems": 1, "maxItems": MAX_BATCH_PICTURES}
        operation = {
            "tags": ["Pictures"],
            "operationId": path[1:].replace("/", "_"),
            "summary": asks,
            "description": f"From 1 to {MAX_BATCH_PICTURES} pictures, together at most {many}. {limits} There"
            " is one answer or error for each picture, in their order: a bad one spoils only itself. `model`"
            " comes before the pictures, or in the query.",
            "parameters": [_model_in_query(model)],
            "requestBody": {
                "required": True,
                "content": {"multipart/form-data": {"schema": _form(model, "images", pictures)}},
            },
            "responses": _success("An answer or error for each.", answers, example),
        }
        yield Call("post", path, operation, PICTURES_ERRORS)


def _feedback() -> Call:
    operation = {
        "tags": ["Pictures"],
        "operationId": "send_feedback",
        "summary": "What was true of a picture that was answered",
        "description": "For the prediction log, where there is one. `truth` is a label as text, or a price"
        " as a number; `index` says which picture of a batch is meant.",
        "requestBody": {"required": True, "content": json_body(schema(Truth), examples.TRUTH)},
        "responses": _success("What was understood.", Truth, examples.TRUTH, HTTPStatus.ACCEPTED),
    }
    return Call("post", "/feedback", operation, (*BODY_ERRORS, NotLogged))


def _model_calls() -> Iterator[Call]:
    operation = {
        "tags": ["Models"],
        "operationId": "list_models",
        "summary": "The cards of all models, and where each runs",
        "responses": _success("The models that are served.", ModelList, examples.MODELS),
    }
    yield Call("get", "/models", operation, (*ANY_ERRORS, Unauthorised, NotReady))
    index = {"type": "array", "items": schema(IndexEntry)}
    listing = {
        "tags": ["Models"],
        "operationId": "list_repository",
        "summary": "Every model file, and why one is not served",
        "responses": {
            "200": {"description": "One entry for each.", "content": json_body(index, examples.INDEX)}
        },
    }
    yield Call("get", "/v2/repository/index", listing, (*ANY_ERRORS, Unauthorised))
    ready = {"type": "object", "properties": {"ready": {"type": "boolean", "description": "Only those."}}}
    query = listing | {
        "operationId": "query_repository",
        "summary": "The same, or only what is ready",
        "requestBody": {"content": json_body(ready, {"ready": True})},
    }
    yield Call("post", "/v2/repository/index", query, BODY_ERRORS)
    for verb, does in (
        ("load", "Open the file of a model, also where it was refused or unloaded"),
        ("unload", "Serve a model no longer"),
    ):
        operation = {
            "tags": ["Models"],
            "operationId": f"{verb}_model",
            "summary": does,
            "description": "Switched off unless GLIMPSE_MODEL_CONTROL is set. A model only ever comes from"
            " its file in the folder, never from the call.",
            "responses": {"200": {"description": "It is done."}},
        }
        errors = (*BODY_ERRORS, Forbidden, UnknownModel, ModelRefused)
        yield Call("post", f"/v2/repository/models/{{name}}/{verb}", operation, errors)


def _probes() -> Iterator[Call]:
    for path, summary, is_open, errors in (
        ("/livez", "200 while the process runs", True, ANY_ERRORS),
        ("/readyz", "200 when requests can be answered, 503 until then", True, (*ANY_ERRORS, NotReady)),
        ("/metrics", "Metrics for Prometheus", False, (*ANY_ERRORS, Unauthorised)),
    ):
        text = {"text/plain": {"schema": {"type": "string"}}}
        operation: dict[str, Any] = {
            "tags": ["Operations"],
            "operationId": path[1:],
            "summary": summary,
            "responses": {"200": {"description": "OK", "content": text}},
        }
        yield Call("get", path, operation | ({"security": []} if is_open else {}), errors)


def _form(model: dict[str, Any], field: str, pictures: dict[str, Any]) -> dict[str, Any]:
    properties = {"model": model, field: pictures}
    return {"type": "object", "properties": properties, "required": [field]}


def _model_in_query(model: dict[str, Any]) -> dict[str, Any]:
    description = f"{model['description']} As in the form."
    return {"name": "model", "in": "query", "description": description, "schema": {"type": "string"}}


def _success(
    description: str, model: type[BaseModel], example: Any, status: HTTPStatus = HTTPStatus.OK
) -> dict[str, Any]:
    return {str(status.value): {"description": description, "content": json_body(schema(model), example)}}
