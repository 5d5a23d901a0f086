"""/docs.json: every call of the service as OpenAPI 3.1.

Glimpse's own calls are described in calls.py; an endpoint of a protocol brings its own description
(Endpoint.openapi), so that what is switched off is not described either.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from models.prediction_record import Truth
from service.answers import ClassAnswer, ClassAnswers, ModelList, PriceAnswer, PriceAnswers
from service.api.openapi.calls import TAGS, own_calls
from service.api.openapi.errors import GET_ERRORS, PICTURE_ERRORS, Errors
from service.errors import Unauthorised
from service.http import problems
from service.http.endpoint import Endpoint
from service.http.openapi.schemas import JSON, REFERENCE
from service.http.problems import ProblemBody
from service.protocols.openapi import SCHEMAS as PROTOCOL_SCHEMAS
from service.repository.index import IndexEntry
from service.settings import Settings

OPENAPI = "3.1.0"
"""The first version whose schemas are JSON Schema, which is what pydantic writes."""

VERSION = "1"
"""Of the interface; the version of the server is its operator's business."""

DESCRIPTION = "One picture in, a class or a price out. Every error says what to do about it."

SCHEMAS: tuple[type[BaseModel], ...] = (
    ProblemBody, ClassAnswer, ClassAnswers, PriceAnswer, PriceAnswers, ModelList, IndexEntry, Truth,
)  # fmt: skip
"""Bodies that are made or read here, described by what makes or reads them."""

KEYS = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}

REQUEST_ID = {
    "name": "X-Request-ID",
    "in": "header",
    "description": "An id of your own, of at most 128 letters, digits and `._:-`; it comes back in the header"
    " of that name, and in the answers of Glimpse's own calls.",
    "schema": {"type": "string"},
}


def document(settings: Settings, protocols: Iterable[Endpoint], root_path: str = "") -> bytes:
    """The OpenAPI document of the service, as JSON.

    Args:
        settings: Its limits stand in the descriptions.
        protocols: Endpoints of the protocols that are switched on.
        root_path: Where a proxy shows the service; empty without one.
    """
    errors = Errors()
    paths: dict[str, dict[str, Any]] = {}
    for call in own_calls(settings):
        operation = dict(call.operation)
        operation["responses"] = operation["responses"] | errors.responses(call.errors)
        paths.setdefault(call.path, {})[call.method] = _with_parameters(call.path, operation, settings)
    for endpoint in protocols:
        path = re.sub(r":\w+}", "}", endpoint.path)  # Starlette's {name:path}
        if path.endswith("/") and path[:-1] in paths:
            continue  # the same call with a slash, for clients that add one
        for method in endpoint.methods:
            if method != "HEAD":
                operation = _with_parameters(path, _protocol_operation(endpoint, method, errors), settings)
                item = paths.setdefault(path, {})
                # Two protocols may share a path, and tell their requests apart.
                other = item.get(method.lower())
                item[method.lower()] = _of_both(other, operation, errors) if other else operation
    _, schemas = models_json_schema([(model, "serialization") for model in SCHEMAS], ref_template=REFERENCE)
    return json.dumps(
        {
            "openapi": OPENAPI,
            "info": {"title": "Glimpse", "version": VERSION, "description": DESCRIPTION},
            "servers": [{"url": root_path or "."}],
            "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
            "paths": paths,
            "security": [{name: []} for name in KEYS] if settings.api_keys else [],
            "components": {
                "schemas": schemas["$defs"] | PROTOCOL_SCHEMAS,
                "responses": errors.components,
                "parameters": {"RequestId": REQUEST_ID},
                "securitySchemes": KEYS,
            },
        }
    ).encode()


def _protocol_operation(endpoint: Endpoint, method: str, errors: Errors) -> dict[str, Any]:
    """The description that an endpoint brings, or a bare one, with what is the same for all."""
    operation = dict(endpoint.openapi or {"tags": ["Other protocols"], "summary": "A call of a protocol"})
    if method == "GET":
        operation.pop("requestBody", None)
    slug = re.sub(r"\W+", "_", endpoint.path).strip("_").lower()
    operation.setdefault("operationId", f"{method.lower()}_{slug}")
    responses = dict(operation.get("responses", {"200": {"description": "OK"}}))
    # A protocol with an error form of its own describes it once, as its default response.
    form = responses.pop("default", {}).get("content")
    if form is None and endpoint.render is not problems.render:
        form = {JSON: {"schema": {}}}
    possible = PICTURE_ERRORS if method == "POST" else GET_ERRORS
    if endpoint.is_open:
        possible = tuple(problem for problem in possible if problem is not Unauthorised)
        operation["security"] = []
    described = {
        status: said for status, said in errors.responses(possible, form).items() if status not in responses
    }
    operation["responses"] = responses | described
    return operation


def _of_both(first: dict[str, Any], second: dict[str, Any], errors: Errors) -> dict[str, Any]:
    """One operation for two endpoints at one path: what either takes and answers."""
    both = (first, second)
    content = _contents([operation.get("requestBody", {}) for operation in both])
    responses = {}
    for status in sorted(first["responses"].keys() | second["responses"].keys()):
        said = [operation["responses"][status] for operation in both if status in operation["responses"]]
        responses[status] = said[0]
        if said[0] != said[-1]:
            one, other = (errors.resolved(response) for response in said)
            answered = _contents([one, other])
            responses[status] = other | one | ({"content": answered} if answered else {})
    texts = {name: [op[name] for op in both if op.get(name)] for name in ("summary", "description")}
    lists = {name: [*first.get(name, []), *second.get(name, [])] for name in ("tags", "parameters")}
    return (
        first
        | {name: " Or: ".join(dict.fromkeys(found)) for name, found in texts.items() if found}
        | {name: _different(found) for name, found in lists.items() if found}
        | {"responses": responses}
        | ({"requestBody": {"required": True, "content": content}} if content else {})
    )


def _contents(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The content of two bodies: of each type, a schema for either, and the first one's example."""
    first, second = (part.get("content", {}) for part in parts)
    content: dict[str, Any] = second | first
    for media_type in first.keys() & second.keys():
        schemas = [found[media_type].get("schema", {}) for found in (first, second)]
        choices = [
            choice for one in schemas for choice in (one["anyOf"] if one.keys() == {"anyOf"} else [one])
        ]
        choices = _different(choices)
        schema = choices[0] if len(choices) == 1 else {"anyOf": choices}
        content[media_type] = content[media_type] | {"schema": schema}
    return content


def _different(items: list[Any]) -> list[Any]:
    return [item for index, item in enumerate(items) if item not in items[:index]]


def _with_parameters(path: str, operation: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The operation, with the parameters that its path has."""
    given: list[Mapping[str, Any]] = operation.get("parameters", [])
    described = {parameter["name"] for parameter in given if parameter["in"] == "path"}
    added: list[dict[str, Any]] = []
    for name in re.findall(r"{(\w+)}", path):
        if name not in described:
            text = {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            if name == "name":
                text |= {"description": "A model of GET /models.", "example": settings.default_classifier}
            elif name == "version":
                text |= {"description": "The model's version, as GET /models tells it."}
            added.append(text)
    return operation | {"parameters": [*added, *given, {"$ref": "#/components/parameters/RequestId"}]}
