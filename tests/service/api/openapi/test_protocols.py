"""What protocols say of their endpoints, in /docs.json."""

import json

from starlette.responses import Response

from service.api import openapi
from service.http.endpoint import Endpoint
from service.settings import Settings
from tests.service.api.openapi.references import resolved

METHODS = ("get", "post")


async def respond(scope, head, receive):
    return Response()


def test_a_protocol_describes_its_endpoints_itself():
    """What it leaves out is added; its own form of errors takes the place of ours."""
    form = {"application/json": {"schema": {"type": "object"}}}
    openapi_of_it = {
        "summary": "Predict",
        "requestBody": {"content": {}},
        "responses": {"200": {"description": "OK"}, "default": {"description": "Wrong", "content": form}},
    }
    endpoints = [
        Endpoint("/v1/{name}:predict", ("GET", "HEAD", "POST"), respond, openapi=openapi_of_it),
        Endpoint("/v1/{path:path}", ("GET",), respond, is_open=True),
        Endpoint("/own-form", ("GET",), respond, render=lambda problem, request_id: Response()),
    ]

    paths = json.loads(openapi.document(Settings(), endpoints))["paths"]

    get, post = (paths["/v1/{name}:predict"][method] for method in METHODS)
    assert (get["operationId"], post["operationId"]) == ("get_v1_name_predict", "post_v1_name_predict")
    assert "requestBody" in post
    assert "requestBody" not in get
    assert [parameter.get("name") for parameter in post["parameters"]] == ["name", None]
    assert post["responses"]["422"] == {"description": "Broken picture", "content": form}
    assert "default" not in post["responses"]
    bare = paths["/v1/{path}"]["get"]
    assert bare["security"] == []
    assert "401" not in bare["responses"]
    assert bare["responses"]["404"] == {"$ref": "#/components/responses/UnknownModel"}
    assert paths["/own-form"]["get"]["responses"]["404"]["content"] == {"application/json": {"schema": {}}}


def test_two_protocols_at_one_path_are_one_operation():
    def takes(name, media_type):
        schema = {"type": "object", "required": [name]}
        content = {"application/json": {"schema": schema, "example": {name: []}}, media_type: {"schema": {}}}
        return {
            "summary": name,
            "requestBody": {"content": content},
            "responses": {"200": {"description": name}},
        }

    endpoints = [
        Endpoint("/invocations", ("POST",), respond, openapi=takes(name, media_type))
        for name, media_type in (("instances", "image/*"), ("inputs", "text/csv"))
    ]

    operation = json.loads(openapi.document(Settings(), endpoints))["paths"]["/invocations"]["post"]

    content = operation["requestBody"]["content"]
    assert operation["summary"] == "instances Or: inputs"
    assert set(content) == {"application/json", "image/*", "text/csv"}
    required = [schema["required"] for schema in content["application/json"]["schema"]["anyOf"]]
    assert required == [["instances"], ["inputs"]]
    assert content["application/json"]["example"] == {"instances": []}
    assert operation["responses"]["200"] == {"description": "instances"}


def test_protocols_at_one_path_keep_their_forms_of_errors():
    """And what both say is said once."""

    def described(tag, content, responses):
        query = {"name": "model", "in": "query", "schema": {"type": "string"}}
        body = {"content": {"application/json": {"schema": content}}}
        responses = {"200": {"description": "OK"} | body, **responses}
        return {"tags": [tag], "parameters": [query], "requestBody": body, "responses": responses}

    text, number, boolean = ({"type": name} for name in ("string", "number", "boolean"))
    form = {"application/json": {"schema": boolean}}
    first = described("One", {"anyOf": [text, number]}, {})
    second = described("Two", text, {"default": {"description": "Wrong", "content": form}})
    endpoints = [Endpoint("/both", ("POST",), respond, openapi=one) for one in (first, second)]
    alone = [Endpoint("/one", ("POST",), respond, openapi=first)]

    document = json.loads(openapi.document(Settings(), [*endpoints, *alone]))

    operation = document["paths"]["/both"]["post"]
    assert operation["tags"] == ["One", "Two"]
    assert [parameter.get("name") for parameter in operation["parameters"]] == ["model", None]
    either = {"application/json": {"schema": {"anyOf": [text, number]}}}
    assert (operation["requestBody"]["content"], operation["responses"]["200"]["content"]) == (either, either)
    overloaded = operation["responses"]["503"]
    assert set(overloaded["content"]) == {"application/problem+json", "application/json"}
    assert overloaded["headers"]["Retry-After"]["schema"] == {"type": "integer"}
    assert next(iter(operation["responses"])) == "200"
    # Shared parts stay as they are.
    only = resolved(document, document["paths"]["/one"]["post"]["responses"]["503"])
    assert set(only["content"]) == {"application/problem+json"}
