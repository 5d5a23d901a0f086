"""/docs.json: BentoML's OpenAPI document of the calls, made true of what the edge answers.

BentoML's own tells its version, promises bodies that nobody sends where something is wrong, and does not
know the routes of the edge.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import bentoml

from service.errors import PROBLEM_JSON, Problem

VERSION = "1"
"""Of the interface; what the server is made of is its operator's business."""

PROBLEM = "#/components/schemas/Problem"

PROBLEM_SCHEMA = {
    "type": "object",
    "description": "What is wrong and what to do about it (RFC 9457).",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "enum": ["about:blank"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
    },
    "additionalProperties": False,
}

MODELS_SCHEMA = {
    "type": "object",
    "required": ["models"],
    "properties": {
        "models": {
            "type": "array",
            "items": {"type": "object", "required": ["name", "version", "task", "default", "device"]},
        }
    },
}

GETS: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "/models": ("The cards of all models, and where each runs.", "application/json", MODELS_SCHEMA),
    "/metrics": ("Metrics for Prometheus.", "text/plain", {"type": "string"}),
    "/livez": ("200 while the process runs.", "text/plain", {"type": "string"}),
    "/readyz": ("200 when requests can be answered, 503 until then.", "text/plain", {"type": "string"}),
}


def document(service: bentoml.Service[Any]) -> bytes:
    """The OpenAPI 3.0 document of the service, as JSON."""
    spec = service.openapi_spec.asdict()
    calls = {path: item for path, item in spec["paths"].items() if "post" in item}
    for item in calls.values():
        _make_true(item["post"])
    schemas = spec["components"]["schemas"]
    return json.dumps(
        {
            "openapi": spec["openapi"],
            "info": {"title": "Glimpse", "version": VERSION, "description": service.inner.__doc__},
            "servers": spec["servers"],
            "paths": calls | {path: {"get": _get(*about)} for path, about in GETS.items()},
            "components": {"schemas": {**_of_answers(schemas), "Problem": PROBLEM_SCHEMA}},
        }
    ).encode()


def _make_true(call: dict[str, Any]) -> None:
    call["responses"] = {"200": call["responses"][200], **_problems()}
    del call["tags"], call["x-bentoml-name"]
    form = call["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    del form["model"]["default"]  # null, which is no string
    if "image" in form:
        bare = {"schema": {"type": "string", "format": "binary"}}
        call["requestBody"]["content"] |= {"image/*": bare, "application/octet-stream": bare}
    named = {"name": "model", "in": "query", "description": "As in the form", "schema": {"type": "string"}}
    call["parameters"] = [named]


def _get(description: str, media_type: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    content = {media_type: {"schema": schema}}
    return {
        "description": description,
        "responses": {"200": {"description": HTTPStatus.OK.phrase, "content": content}, **_problems()},
    }


def _problems() -> dict[str, Any]:
    """A response for each status that a Problem may have."""
    titles: dict[int, list[str]] = {}
    for problem in Problem.__subclasses__():
        titles.setdefault(problem.status, []).append(problem.title)
    content = {PROBLEM_JSON: {"schema": {"$ref": PROBLEM}}}
    return {
        str(status): {"description": ", or ".join(names), "content": content}
        for status, names in sorted(titles.items())
    }


def _of_answers(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """Without BentoML's own errors and tasks, which are never sent, and its forms, which are no OpenAPI."""
    other = {"InvalidArgument", "NotFound", "InternalServerError", "TaskStatusResponse"}
    other |= {"PictureForm", "PicturesForm"}
    return {name: schema for name, schema in schemas.items() if name not in other}
