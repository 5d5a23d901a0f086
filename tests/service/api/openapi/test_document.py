"""/docs.json: every call is there, and its examples keep to its schemas."""

import json
import re
from pathlib import Path

import jsonschema_rs
import pytest

from service import protocols
from service.api import openapi
from service.api.endpoints.static import PAGE_FILES
from service.application import Application
from service.settings import Settings
from tests.service.api.openapi.references import resolved
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


def test_the_page_of_the_calls_is_ours(server):
    page = CLIENT.get(f"{server}/docs")

    assert page.status_code == 200
    assert "docs.js" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert CLIENT.head(f"{server}/docs").status_code == 200
    assert all(CLIENT.get(f"{server}{path}").status_code == 200 for path in PAGE_FILES)
    assert all((Path("service/page") / name).exists() for name in PAGE_FILES.values())
