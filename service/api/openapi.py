"""/docs.json: BentoML's OpenAPI document of the calls, made true of what the edge answers.

BentoML's own tells its version, promises bodies that nobody sends where something is wrong, and does not
know the routes of the edge.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import bentoml

from models.prediction_record import REQUEST_ID
from service.errors import PROBLEM_JSON, Problem

JSON = "application/json"

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

INDEX_SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["name", "version", "state", "reason"],
        "properties": {
            "name": {"type": "string"},
            "version": {"type": "string"},
            "state": {"type": "string", "enum": ["READY", "LOADING", "UNAVAILABLE"]},
            "reason": {"type": "string"},
        },
    },
}

FEEDBACK_SCHEMA = {
    "type": "object",
    "required": ["request_id", "truth"],
    "properties": {
        "request_id": {"type": "string", "pattern": REQUEST_ID},
        "truth": {
            "description": "The label, or the price.",
            "oneOf": [
                {"type": "string", "minLength": 1, "maxLength": 100},
                {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            ],
        },
        "index": {"description": "Of a batch call.", "type": "integer", "minimum": 0, "maximum": 65535},
    },
    "additionalProperties": False,
}

GETS: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "/models": ("The cards of all models, and where each runs.", JSON, MODELS_SCHEMA),
    "/metrics": ("Metrics for Prometheus.", "text/plain", {"type": "string"}),
    "/livez": ("200 while the process runs.", "text/plain", {"type": "string"}),
    "/readyz": ("200 when requests can be answered, 503 until then.", "text/plain", {"type": "string"}),
    "/v2/repository/index": ("Every model, and why one is not served.", JSON, INDEX_SCHEMA),
}

NAME_IN_PATH = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}


def document(service: bentoml.Service[Any]) -> bytes:
    """The OpenAPI 3.0 document of the service, as JSON."""
    spec = service.openapi_spec.asdict()
    calls = {path: item for path, item in spec["paths"].items() if "post" in item}
    for item in calls.values():
        _correct_operation(item["post"])
    schemas = spec["components"]["schemas"]
    return json.dumps(
        {
            "openapi": spec["openapi"],
            "info": {"title": "Glimpse", "version": VERSION, "description": service.inner.__doc__},
            "servers": spec["servers"],
            "paths": calls | {path: {"get": _get(*about)} for path, about in GETS.items()} | _other_posts(),
            "components": {"schemas": {**_of_answers(schemas), "Problem": PROBLEM_SCHEMA}},
        }
    ).encode()


def _correct_operation(call: dict[str, Any]) -> None:
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


def _other_posts() -> dict[str, Any]:
    as_json = {JSON: {"schema": FEEDBACK_SCHEMA}}
    feedback = {
        "description": "What was true of a picture that was answered.",
        "requestBody": {"required": True, "content": as_json},
        "responses": {"202": {"description": HTTPStatus.ACCEPTED.phrase, "content": as_json}, **_problems()},
    }
    done = {"200": {"description": HTTPStatus.OK.phrase}, **_problems()}
    changes = {
        f"/v2/repository/models/{{name}}/{verb}": {
            "post": {"description": description, "parameters": [NAME_IN_PATH], "responses": done}
        }
        for verb, description in (
            ("load", "Open the file of a model, also where it was refused or unloaded."),
            ("unload", "Serve a model no longer."),
        )
    }
    return {"/feedback": {"post": feedback}, **changes}


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
