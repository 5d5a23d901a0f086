"""KServe v1 and TensorFlow Serving's REST API: KServe's own client, and the requests its pages show."""

import base64
import json
import subprocess

import pytest

from tests.support.clients.foreign_clients import run_client
from tests.support.clients.in_process import ask, get, post
from tests.support.http_calls import CLIENT, PNG
from tests.support.images import pictures

B64 = base64.b64encode(PNG).decode()
FOUR = base64.b64encode(pictures.encoded(pictures.digit(4))).decode()
NAME = "digits-cnn"

KSERVE = """
import asyncio, json, sys
import httpx
from kserve import InferenceRESTClient, RESTConfig

url, picture = sys.argv[1:]

async def refused(call):
    try:
        await call
    except httpx.HTTPStatusError as error:
        return [error.response.status_code, str(error)]

async def main():
    async with InferenceRESTClient(RESTConfig(protocol="v1", timeout=120)) as client:
        rows = {"instances": [{"b64": picture}, {"image": {"b64": picture}}, "no picture"]}
        print(json.dumps({
            "ready": await client.is_model_ready(url, "digits-cnn"),
            "digits": await client.infer(url, rows, model_name="digits-cnn"),
            "price": await client.infer(url, {"instances": [picture]}, model_name="cars-mlp"),
            "unknown": await refused(client.is_model_ready(url, "nobody")),
            "empty": await refused(client.infer(url, {"instances": []}, model_name="digits-cnn")),
        }))

asyncio.run(main())
"""


@pytest.mark.slow
def test_kserves_client(server):
    got = run_client(KSERVE, server, B64)

    assert got["ready"] is True
    one, two, bad = got["digits"]["predictions"]
    assert one["label"] == two["label"] == "7"
    assert bad["error"]["status"] == 400
    assert set(got["price"]["predictions"][0]) >= {"price", "low", "high", "currency"}
    assert got["price"]["model"] == "cars-mlp"
    status, message = got["unknown"]
    assert status == 404 and "There is no model 'nobody' here" in message
    status, message = got["empty"]
    assert status == 400 and "`instances` must be a list of pictures" in message


def curl(server, path, body=None):
    """As TensorFlow Serving's page has it: a body has the type that curl gives it."""
    command = (
        ["curl", "-sS", "-X", "POST", "-d", "@-", server + path] if body else ["curl", "-sS", server + path]
    )
    done = subprocess.run(command, input=json.dumps(body), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_documented_requests_of_tensorflow_serving(server):
    status = curl(server, f"/v1/models/{NAME}")["model_version_status"]
    assert status == [
        {
            "version": status[0]["version"],
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
    ]

    body = {"signature_name": "serving_default", "instances": [{"b64": FOUR}, {"b64": B64}]}
    assert [row["label"] for row in curl(server, f"/v1/models/{NAME}:predict", body)["predictions"]] == [
        "4",
        "7",
    ]

    columns = {"inputs": {"image": [{"b64": B64}], "caption": ["seaside"]}}
    assert [row["label"] for row in curl(server, f"/v1/models/{NAME}:predict", columns)["outputs"]] == ["7"]

    examples = {
        "signature_name": "classify_objects",
        "examples": [{"image": {"b64": B64}, "caption": "seaside"}],
    }
    (scores,) = curl(server, f"/v1/models/{NAME}:classify", examples)["results"]
    assert scores[0][0] == "7"
    assert scores == sorted(scores, key=lambda pair: -pair[1])
    assert {label for label, _ in scores} == set("0123456789")

    (price,) = curl(server, "/v1/models/cars-mlp:regress", {"examples": [{"image": {"b64": B64}}]})["results"]
    alone = CLIENT.post(f"{server}/price", files={"image": PNG}, data={"model": "cars-mlp"}).json()
    assert price == pytest.approx(alone["price"], rel=0.02)


def test_predictions_are_those_of_classify(server):
    body = CLIENT.post(f"{server}/v1/models/{NAME}:predict", json={"instances": [B64]}).json()
    alone = CLIENT.post(f"{server}/classify", files={"image": PNG}).json()

    assert set(body) == {"predictions", "model", "version"}
    assert {key: alone[key] for key in ("model", "version")} == {
        key: body[key] for key in ("model", "version")
    }
    (row,) = body["predictions"]
    assert set(row) == {"label", "probability", "probabilities", "familiar"}
    assert row["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-4)


def test_models_are_listed(server):
    listed = CLIENT.get(f"{server}/v1/models").json()["models"]

    assert listed == sorted(model["name"] for model in CLIENT.get(f"{server}/models").json()["models"])


def test_metadata_names_what_goes_in_and_comes_out(server):
    digits = CLIENT.get(f"{server}/v1/models/{NAME}/metadata").json()
    cars = CLIENT.get(f"{server}/v1/models/cars-mlp/metadata").json()

    def signature(body):
        return body["metadata"]["signature_def"]["signature_def"]["serving_default"]

    assert digits["model_spec"]["name"] == NAME
    assert set(signature(digits)["outputs"]) == {"label", "probability"}
    assert {name: shape["dtype"] for name, shape in signature(cars)["outputs"].items()} == dict.fromkeys(
        ("price", "low", "high"), "DT_FLOAT"
    )
    assert signature(cars)["inputs"]["image"]["dtype"] == "DT_STRING"


def test_the_version_must_be_the_one_that_is_served(server):
    base = f"{server}/v1/models/{NAME}"
    version = CLIENT.get(base).json()["model_version_status"][0]["version"]
    body = {"instances": [B64]}

    assert CLIENT.post(f"{base}/versions/{version}:predict", json=body).json()["version"] == version
    assert CLIENT.get(f"{base}/versions/{version}").json()["ready"] is True
    assert CLIENT.get(f"{base}/versions/{version}/metadata").json()["model_spec"]["version"] == version
    for other in (
        CLIENT.post(f"{base}/versions/1:predict", json=body),
        CLIENT.get(f"{base}/versions/1"),
        CLIENT.get(f"{base}/versions/1/metadata"),
    ):
        assert other.status_code == 404
        assert version in other.json()["error"]


def test_errors_have_the_form_of_both(server):
    base = f"{server}/v1/models"
    for response, status in (
        (CLIENT.post(f"{base}/nobody:predict", json={"instances": [B64]}), 404),
        (CLIENT.post(f"{base}/cars-mlp:classify", json={"examples": [{"image": B64}]}), 404),
        (CLIENT.post(f"{base}/{NAME}:regress", json={"examples": [{"image": B64}]}), 404),
        (CLIENT.post(f"{base}/{NAME}:predict", json={"instances": [B64], "inputs": [B64]}), 400),
        (CLIENT.get(f"{base}/{NAME}:predict"), 405),
        (CLIENT.get(f"{base}/nobody"), 404),
    ):
        assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
        assert set(response.json()) == {"error"} and isinstance(response.json()["error"], str)
        assert response.headers["x-request-id"]


def test_a_model_that_does_not_work_is_not_ready(zoo):
    def break_down(application):
        application.catalog.engines["digits-mlp"].watchdog.reason = "it fails"

    broken, other = ask(zoo, get("/v1/models/digits-mlp"), get("/v1/models/cars-mlp"), before=break_down)

    assert (broken.status_code, broken.json()) == (503, {"error": "it fails"})
    assert other.json()["ready"] is True


def test_keys(zoo):
    """A model's state is a probe, all else is not."""
    key = "0123456789abcdef"
    body = {"instances": [B64]}
    responses = ask(
        zoo,
        get("/v1/models/digits-mlp"),
        get("/v1/models"),
        post("/v1/models/digits-mlp:predict", json=body),
        post("/v1/models/digits-mlp:predict", json=body, headers={"X-API-Key": key}),
        api_keys=key,
    )

    assert [response.status_code for response in responses] == [200, 401, 401, 200]
    assert set(responses[1].json()) == {"error"}


def test_no_model_is_ready_while_the_process_ends(zoo):
    """In either version of the protocol."""

    def drain(application):
        application.connections.draining = True

    paths = ("/v1/models/digits-mlp", "/v2/models/digits-mlp/ready", "/v2/health/ready")
    answers = ask(zoo, *map(get, paths), before=drain)

    assert [answer.status_code for answer in answers] == [503] * 3
    assert {answer.json()["error"] for answer in answers} == {"This process is about to end."}
