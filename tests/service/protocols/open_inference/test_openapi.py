"""What /docs.json says of the protocol is what the server does."""

import json

import jsonschema_rs
import pytest

from service.api import openapi
from service.application import Application
from service.protocols import open_inference
from service.settings import Settings
from tests.service.protocols.open_inference.test_infer import HEADER, PIXELS, infer, pixels, with_binary
from tests.support.http_calls import CLIENT

MODEL = "/v2/models/{name}"
INFER = f"{MODEL}/infer"
GETS = ["/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/stats"]
GETS += [MODEL, *(f"{MODEL}/{part}" for part in ("config", "ready", "stats"))]


@pytest.fixture(scope="module")
def document(server):
    return CLIENT.get(f"{server}/docs.json").json()


def check(document, content, answer):
    schema = content["application/json"]["schema"] | {"components": document["components"]}
    jsonschema_rs.validate(schema, answer)


def form(value):
    """The names and types in an answer; of a list, those of its first item."""
    if isinstance(value, dict):
        return {key: form(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [form(value[0])] if value else []
    return type(value)


@pytest.mark.parametrize("path", GETS)
@pytest.mark.parametrize("model", ["digits-cnn", "cars-cnn"])
def test_facts_have_the_form_that_is_described(server, document, path, model):
    answer = CLIENT.get(f"{server}{path.format(name=model)}").json()

    content = document["paths"][path]["get"]["responses"]["200"]["content"]
    check(document, content, answer)
    if model == "digits-cnn":  # of which the examples tell
        assert form(content["application/json"]["example"]) == form(answer)


def test_calls_of_a_version_are_described_like_those_without(document):
    versions = {path.replace("/versions/{version}", "") for path in document["paths"] if "{version}" in path}

    assert {path for path in [*GETS, INFER] if path.startswith(MODEL)} <= versions
    assert "/v2/" not in document["paths"]


def test_the_example_is_answered_as_described(server, document):
    call = document["paths"][INFER]["post"]
    request = call["requestBody"]["content"]["application/json"]
    check(document, call["requestBody"]["content"], request["example"])

    answer = infer(server, request["example"]).json()

    content = call["responses"]["200"]["content"]
    check(document, content, answer)
    example = content["application/json"]["example"]
    assert (answer.keys(), answer["outputs"]) == (example.keys(), example["outputs"])


def test_the_binary_extension_is_described(server, document):
    call = document["paths"][INFER]["post"]
    [header] = [parameter for parameter in call["parameters"] if parameter.get("in") == "header"]
    body, headers = with_binary(pixels(), PIXELS.tobytes(), parameters={"binary_data_output": True})
    request = json.loads(body[: int(headers[HEADER])])

    answer = infer(server, body, **headers)

    check(document, call["requestBody"]["content"], request)
    assert header["name"] == HEADER
    success = call["responses"]["200"]
    assert answer.headers["content-type"] in success["content"]
    assert list(success["headers"]) == [HEADER]
    assert HEADER in answer.headers


def test_errors_have_the_form_that_is_described(server, document):
    responses = document["paths"][INFER]["post"]["responses"]
    for answer in (infer(server, {}), infer(server, {}, model="none"), infer(server, b"\x89PNG")):
        content = responses[str(answer.status_code)]["content"]
        assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/InferenceError"}
        check(document, content, answer.json())


def test_its_limits_are_those_of_the_settings(zoo):
    limits = {"max_upload_bytes": 3 * 2**20, "max_json_bytes": 5 * 2**20, "max_batch_bytes": 7 * 2**20}
    application = Application.open(Settings(models_dir=zoo, device="cpu", max_pixels=10**6, **limits))

    endpoints = list(open_inference.endpoints(application))

    said = json.loads(openapi.document(application.settings, endpoints))["paths"][INFER]["post"]
    assert "5 MiB of JSON, or 7 MiB with data behind it" in said["description"]
    assert "a picture has at most 3 MiB and 1 megapixels" in said["description"]
    assert "256 pictures, or 4,096 as pixels" in said["description"]
