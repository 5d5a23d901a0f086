"""/docs.json: BentoML's OpenAPI document of the calls, corrected to what the edge answers.

BentoML's own tells its version, promises bodies that are never sent where something is wrong, and does not
know the routes of the edge. All schemas are those of the pydantic models that make the bodies.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import bentoml
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from models.prediction_record import Truth
from service.answers import ModelList
from service.errors import Problem
from service.http.problems import PROBLEM_JSON, ProblemBody
from service.repository.index import IndexEntry

JSON = "application/json"

OPENAPI = "3.1.0"
"""The first version whose schemas are JSON Schema, which is what pydantic writes."""

VERSION = "1"
"""Of the interface; the version of the server is its operator's business."""

REFERENCE = "#/components/schemas/{model}"

SCHEMAS: tuple[type[BaseModel], ...] = (ProblemBody, ModelList, IndexEntry, Truth)
"""Bodies that the edge makes or reads itself."""

NOT_SENT = frozenset({
    # BentoML's own errors and tasks, and its forms, which are not OpenAPI.
    "InvalidArgument", "NotFound", "InternalServerError", "TaskStatusResponse", "PictureForm", "PicturesForm",
})  # fmt: skip


def document(service: bentoml.Service[Any], root_path: str = "") -> bytes:
    """The OpenAPI document of the service, as JSON; root_path: where a proxy shows it."""
    spec = service.openapi_spec.asdict()
    calls = {path: item for path, item in spec["paths"].items() if "post" in item}
    for item in calls.values():
        _correct_operation(item["post"])
    answers = {name: schema for name, schema in spec["components"]["schemas"].items() if name not in NOT_SENT}
    _, own = models_json_schema([(model, "serialization") for model in SCHEMAS], ref_template=REFERENCE)
    return json.dumps(
        {
            "openapi": OPENAPI,
            "info": {"title": "Glimpse", "version": VERSION, "description": service.inner.__doc__},
            "servers": [{"url": root_path}] if root_path else spec["servers"],
            "paths": calls | _gets() | _posts(),
            "components": {"schemas": answers | own["$defs"]},
        }
    ).encode()


def _correct_operation(operation: dict[str, Any]) -> None:
    operation["responses"] = {"200": operation["responses"][200], **_problems()}
    del operation["tags"], operation["x-bentoml-name"]
    form = operation["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    del form["model"]["default"]  # null, which is not a string
    if "image" in form:
        bare = {"schema": {"type": "string", "format": "binary"}}
        operation["requestBody"]["content"] |= {"image/*": bare, "application/octet-stream": bare}
    model = {"name": "model", "in": "query", "description": "As in the form", "schema": {"type": "string"}}
    operation["parameters"] = [model]


def _gets() -> dict[str, Any]:
    text = {"type": "string"}
    index = {"type": "array", "items": _schema(IndexEntry)}
    return {
        path: {"get": _operation(description, HTTPStatus.OK, {media_type: {"schema": schema}})}
        for path, description, media_type, schema in (
            ("/models", "The cards of all models, and where each runs.", JSON, _schema(ModelList)),
            ("/metrics", "Metrics for Prometheus.", "text/plain", text),
            ("/livez", "200 while the process runs.", "text/plain", text),
            ("/readyz", "200 when requests can be answered, 503 until then.", "text/plain", text),
            ("/v2/repository/index", "Every model, and why one is not served.", JSON, index),
        )
    }


def _posts() -> dict[str, Any]:
    truth = {JSON: {"schema": _schema(Truth)}}
    feedback = _operation("What was true of a picture that was answered.", HTTPStatus.ACCEPTED, truth)
    feedback["requestBody"] = {"required": True, "content": truth}
    name = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
    changes = {
        f"/v2/repository/models/{{name}}/{verb}": {
            "post": _operation(description, HTTPStatus.OK, None) | {"parameters": [name]}
        }
        for verb, description in (
            ("load", "Open the file of a model, also where it was refused or unloaded."),
            ("unload", "Serve a model no longer."),
        )
    }
    return {"/feedback": {"post": feedback}, **changes}


def _operation(description: str, status: HTTPStatus, content: Mapping[str, Any] | None) -> dict[str, Any]:
    response = {"description": status.phrase} | ({"content": content} if content else {})
    return {"description": description, "responses": {str(status.value): response, **_problems()}}


def _problems() -> dict[str, Any]:
    """A response for each status that a Problem may have."""
    titles: dict[int, list[str]] = {}
    for problem in Problem.__subclasses__():
        titles.setdefault(problem.status, []).append(problem.title)
    content = {PROBLEM_JSON: {"schema": _schema(ProblemBody)}}
    return {
        str(status): {"description": ", or ".join(names), "content": content}
        for status, names in sorted(titles.items())
    }


def _schema(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=model.__name__)}
