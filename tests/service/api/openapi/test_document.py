"""/docs.json: every call is there, and its examples keep to its schemas."""

import json
import re
from pathlib import Path

import jsonschema_rs
import pytest
from starlette.responses import Response

from service import protocols
from service.api import openapi
from service.api.endpoints.static import PAGE_FILES
from service.application import Application
from service.http.endpoint import Endpoint
from service.settings import Settings
from tests.support.http_calls import CLIENT, PNG

METHODS = ("get", "post")

NOT_DESCRIBED = {*PAGE_FILES, "/docs.json", "/v2/"}
"""The pages, the document itself, and a call that is described without its last slash."""


@pytest.fixture(scope="module")
def application(zoo):
    """All protocols are on; Vertex AI's is where its two paths are set."""
    routes = {"aip_predict_route": "/predict", "aip_health_route": "/health"}
    return Application.open(Settings(models_dir=zoo, device="cpu", **routes))


@pytest.fixture(scope="module")
def document(application):
    return json.loads(openapi.document(application.settings, list(protocols.endpoints(application))))


def operations(document):
    return [
        (path, method, item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]


def resolved(document, part):
    while "$ref" in part:
        found = document
        for key in part["$ref"].removeprefix("#/").split("/"):
            found = found[key]
        part = found
    return part


def referred(document, part):
    """The names of all components that a part refers to, and those that they refer to."""
    names = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(part)))
    inner = [referred(document, document["components"]["schemas"][name]) for name in names]
    return names.union(*inner)


def examples(document):
    """(where, schema, example) of every example."""
    for path, method, operation in operations(document):
        contents = [("request", operation.get("requestBody", {}).get("content", {}))]
        for status, response in operation["responses"].items():
            contents.append((status, resolved(document, response).get("content", {})))
        for where, content in contents:
            for media in content.values():
                named = [example["value"] for example in media.get("examples", {}).values()]
                for example in [*named, *([media["example"]] if "example" in media else [])]:
                    yield f"{method} {path} {where}", media["schema"], example


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # BentoML imports what is deprecated
def test_every_endpoint_is_described(application, document):
    from service.api.routes import Routes  # here: BentoML comes with them
    from service.service import Glimpse

    routes = Routes.of(application, Glimpse)

    described = {(path, method) for path, method, _ in operations(document)}
    answered = {
        (endpoint.path, method.lower())
        for endpoint in routes.endpoints
        if endpoint.path not in NOT_DESCRIBED
        for method in endpoint.methods
        if method != "HEAD"
    }
    assert answered | {("/livez", "get"), ("/readyz", "get")} == described


def test_every_call_says_what_it_is_for_and_what_can_go_wrong(document):
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    tags = {tag["name"] for tag in document["tags"]}

    assert len(set(ids)) == len(ids)
    for path, method, operation in operations(document):
        assert operation["summary"], path
        assert set(operation["tags"]) <= tags, path
        assert {"400", "431", "500", "503"} <= set(operation["responses"]), path
        assert method == "get" or {"401", "408", "413"} <= set(operation["responses"]), path


def test_every_call_with_an_answer_in_json_shows_one(document):
    for path, method, operation in operations(document):
        success = resolved(document, next(iter(operation["responses"].values())))
        for media_type, media in success.get("content", {}).items():
            assert media_type != "application/json" or "example" in media, (method, path)


def test_examples_keep_to_their_schemas(document):
    components = {"components": document["components"]}
    checked = 0
    for where, schema, example in examples(document):
        errors = [error.message for error in jsonschema_rs.iter_errors(schema | components, example)]
        assert errors == [], where
        checked += 1

    assert checked > 50


@pytest.mark.parametrize(
    ("image", "model", "name"),
    [
        (PNG, "nothing-here", "UnknownModel"),
        (PNG[:300], "", "BrokenPicture"),
        (b"text", "", "UnsupportedPicture"),
    ],
)
def test_errors_look_like_their_examples(server, document, image, model, name):
    response = CLIENT.post(f"{server}/classify", files={"image": image}, data={"model": model})

    described = document["paths"]["/classify"]["post"]["responses"][str(response.status_code)]
    example = resolved(document, described)["content"]["application/problem+json"]["examples"][name]
    said = response.json()
    assert example["value"].keys() == said.keys()
    assert (example["summary"], example["value"]["status"]) == (said["title"], response.status_code)


def test_limits_are_those_of_the_settings():
    settings = Settings(
        max_upload_bytes=3 * 2**20, max_batch_bytes=7 * 2**30, formats=("PNG",), max_pixels=10**6
    )

    paths = json.loads(openapi.document(settings, []))["paths"]

    one, many = (paths[path]["post"]["description"] for path in ("/classify", "/classify/batch"))
    assert "A picture has at most 3 MiB and 1 megapixels, and is one of PNG." in one
    assert "From 1 to 256 pictures, together at most 7 GiB." in many


def test_keys_are_asked_for_where_they_are_set():
    free, locked = (
        json.loads(openapi.document(settings, []))
        for settings in (Settings(), Settings(api_keys=("correct-horse-battery-staple",)))
    )

    assert free["security"] == []
    assert locked["security"] == [{"bearer": []}, {"key": []}]
    assert locked["paths"]["/livez"]["get"]["security"] == []
    assert "security" not in locked["paths"]["/classify"]["post"]


async def respond(scope, head, receive):
    raise NotImplementedError


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


def test_what_rows_share_is_described_once(document):
    paths = document["paths"]
    calls = {path: paths[path]["post"] for path in ("/v1/models/{name}:predict", "/predict", "/invocations")}

    for path, operation in calls.items():
        request, answer = (
            part["content"]["application/json"]["schema"]
            for part in (operation["requestBody"], operation["responses"]["200"])
        )
        assert {"PictureItem", "PictureInB64"} <= referred(document, request), path
        assert {"Prediction", "ClassFacts", "PriceFacts", "PictureProblem"} <= referred(document, answer), (
            path
        )
        assert "at most 256 pictures and 64 MiB, a picture at most 32 MiB" in operation["description"], path
    assert calls["/invocations"]["tags"] == ["SageMaker", "MLflow"]
    regressor = paths["/v1/models/{name}:regress"]["post"]["parameters"][0]
    assert (regressor["name"], regressor["example"]) == ("name", "cars-transfer")


def test_fields_are_described_where_their_models_do(document):
    schemas = document["components"]["schemas"]

    for name in ("ClassFacts", "ClassAnswer", "PriceAnswer"):
        assert "unlike the training pictures" in schemas[name]["properties"]["familiar"]["description"]


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


def test_the_page_of_the_calls_is_ours(server):
    page = CLIENT.get(f"{server}/docs")

    assert page.status_code == 200
    assert "docs.js" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert CLIENT.head(f"{server}/docs").status_code == 200
    assert all(CLIENT.get(f"{server}{path}").status_code == 200 for path in PAGE_FILES)
    assert all((Path("service/page") / name).exists() for name in PAGE_FILES.values())
