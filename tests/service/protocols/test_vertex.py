"""Vertex AI: Google's own clients against the paths that the platform names, and where its models lie."""

import base64
import json
import os

import pytest

from loadtests.server import REPO, SERVING, started
from service.settings import Settings, SettingsError, read_settings
from tests.support.clients.foreign_clients import run_client
from tests.support.clients.in_process import ask, get, post
from tests.support.http_calls import CLIENT, PNG

B64 = base64.b64encode(PNG).decode()
ENDPOINT = "projects/my-project/locations/europe-west4/endpoints/123"
ROUTES = {"aip_predict_route": "/predict", "aip_health_route": "/health"}
KEY = "0123456789abcdef"

CLIENTS = """
import base64, json, sys
from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud.aiplatform.gapic import PredictionServiceClient
from google.cloud.aiplatform.gapic.schema import predict as schema
from google.cloud.aiplatform.prediction.local_endpoint import LocalEndpoint
from google.cloud.aiplatform_v1.services.prediction_service.transports import PredictionServiceRestTransport
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value

url, endpoint, picture = sys.argv[1:]
transport = PredictionServiceRestTransport(host=url, credentials=AnonymousCredentials())
client = PredictionServiceClient(transport=transport)

def value(member):
    return json_format.ParseDict(member, Value())

def predict(*instances, **parameters):
    answer = client.predict(
        endpoint=endpoint, instances=[value(one) for one in instances], parameters=value(parameters)
    )
    return json_format.MessageToDict(answer._pb)["predictions"]

def refused(*instances, **parameters):
    try:
        predict(*instances, **parameters)
    except GoogleAPICallError as error:
        return [error.code, error.message]

typed = schema.instance.ImageClassificationPredictionInstance(content=picture, mime_type="image/png")
wanted = schema.params.ImageClassificationPredictionParams(confidence_threshold=0.5, max_predictions=3)
answer = client.predict(endpoint=endpoint, instances=[typed.to_value()], parameters=wanted.to_value())

# Its container cannot run where this runs; its requests can.
local = LocalEndpoint(
    "glimpse",
    serving_container_predict_route=f"/v1/{endpoint}:predict",
    serving_container_health_route="/health",
    host_port=url.rpartition(":")[2],
)
local.container_is_running = True
raw = local.predict(request=base64.b64decode(picture), headers={"Content-Type": "image/png"})
instances = json.dumps({"instances": [picture]})
rows = local.predict(request=instances, headers={"Content-Type": "application/json"})

print(json.dumps({
    "mixed": predict({"b64": picture}, "no picture", model="digits-mlp"),
    "unknown": refused(picture, model="nobody"),
    "empty": refused(),
    "typed": dict(answer.predictions[0])["label"],
    "health": local.run_health_check().status_code,
    "raw": raw.json(),
    "rows": rows.json(),
}))
"""


@pytest.mark.slow
def test_googles_clients(zoo, tmp_path):
    environment = {
        **os.environ,
        "GLIMPSE_DRAIN_SECONDS": "0",
        "AIP_STORAGE_URI": str(zoo),
        "AIP_PREDICT_ROUTE": f"/v1/{ENDPOINT}:predict",
        "AIP_HEALTH_ROUTE": "/health",
    }
    with started([SERVING / "python", "-m", "service"], REPO, environment, tmp_path / "log") as url:
        served = {model["name"] for model in CLIENT.get(f"{url}/models").json()["models"]}
        got = run_client(CLIENTS, url, ENDPOINT, B64)

    assert served == {"digits-linear", "digits-mlp", "cars-mlp"}  # those of AIP_STORAGE_URI
    good, bad = got["mixed"]
    assert good["label"] == got["typed"] == got["raw"]["label"] == "7"
    assert bad["error"]["status"] == 400
    status, message = got["unknown"]
    assert status == 404 and "There is no model 'nobody' here" in message
    status, message = got["empty"]
    assert status == 400 and "`instances` must be a list of pictures" in message
    assert got["health"] == 200
    assert set(got["raw"]) >= {"model", "version", "request_id", "probabilities"}
    assert set(got["rows"]) == {"predictions"}


def test_parameters_name_a_model(zoo):
    rows = {"instances": [B64], "parameters": {"model": "cars-mlp"}}
    as_rows, in_query, as_picture = ask(
        zoo,
        post("/predict", json=rows),
        post("/predict?model=cars-mlp", json={"instances": [B64]}),
        post("/predict?model=cars-mlp", content=PNG),
        **ROUTES,
    )

    assert set(as_rows.json()) == {"predictions"}
    assert as_rows.json()["predictions"][0]["price"] == as_picture.json()["price"]
    assert in_query.json() == as_rows.json()


def test_errors_have_googles_form(zoo):
    rows = {"instances": [B64]}
    unknown, broken, not_open = ask(
        zoo,
        post("/predict", json=rows | {"parameters": {"model": "x"}}, headers={"X-API-Key": KEY}),
        post("/predict", content=PNG[:300], headers={"X-API-Key": KEY}),
        post("/predict", json=rows),
        api_keys=KEY,
        **ROUTES,
    )

    for response, status, name in (
        (unknown, 404, "NOT_FOUND"),
        (broken, 422, "INVALID_ARGUMENT"),
        (not_open, 401, "UNAUTHENTICATED"),
    ):
        error = response.json()["error"]
        assert (response.status_code, error["code"], error["status"]) == (status, status, name)
        assert error["message"]


def test_health(zoo):
    """Open where keys are set, and 503 from the signal to end on."""

    def drain(application):
        application.connections.draining = True

    (well,) = ask(zoo, get("/health"), api_keys=KEY, **ROUTES)
    (ending,) = ask(zoo, get("/health"), before=drain, api_keys=KEY, **ROUTES)

    assert (well.status_code, ending.status_code) == (200, 503)


def test_without_routes_there_is_nothing(zoo):
    responses = ask(zoo, post("/predict", json={"instances": [B64]}), protocols="vertex")

    assert [response.status_code for response in responses] == [404]


def test_both_routes_may_be_one(zoo):
    routes = dict.fromkeys(ROUTES, "/vertex")
    health, prediction = ask(zoo, get("/vertex"), post("/vertex", json={"instances": [B64]}), **routes)

    assert health.status_code == 200
    assert prediction.json()["predictions"][0]["label"] == "7"


@pytest.mark.slow
def test_a_route_may_be_that_of_another_call(zoo, tmp_path):
    """The platform's word counts: rows are answered at /classify then, and forms too."""
    environment = {
        **os.environ,
        "GLIMPSE_DRAIN_SECONDS": "0",
        "GLIMPSE_MODELS_DIR": str(zoo),
        "AIP_PREDICT_ROUTE": "/classify",
        "AIP_HEALTH_ROUTE": "/",
    }
    with started([SERVING / "python", "-m", "service"], REPO, environment, tmp_path / "log") as url:
        form = CLIENT.post(f"{url}/classify", files={"image": PNG})
        rows = CLIENT.post(f"{url}/classify", json={"instances": [B64]})
        health = CLIENT.get(f"{url}/")

    assert form.json()["label"] == rows.json()["predictions"][0]["label"] == "7"
    assert (health.status_code, health.content) == (200, b"")


@pytest.mark.parametrize("route", ["predict", "/a b", "/{name}", "/a?b=1"])
def test_a_route_is_a_path(monkeypatch, route):
    monkeypatch.setenv("AIP_PREDICT_ROUTE", route)

    with pytest.raises(SettingsError, match=r"^AIP_PREDICT_ROUTE: "):
        read_settings()


def test_models_in_a_local_folder_are_served(monkeypatch, tmp_path):
    for uri in (str(tmp_path), f"file://{tmp_path}"):
        monkeypatch.setenv("AIP_STORAGE_URI", uri)

        assert read_settings().models_dir == tmp_path


def test_models_elsewhere_are_not_fetched(monkeypatch, tmp_path):
    monkeypatch.setenv("AIP_STORAGE_URI", "gs://bucket/models")
    with pytest.raises(SettingsError, match=r"gs://bucket/models is not fetched.* GLIMPSE_MODELS_DIR"):
        read_settings()

    monkeypatch.setenv("GLIMPSE_MODELS_DIR", str(tmp_path))
    assert read_settings().models_dir == tmp_path


@pytest.mark.parametrize(("name", "value"), [("AIP_STORAGE_URI", ""), ("GLIMPSE_PROTOCOLS", "kserve")])
def test_models_are_our_own_otherwise(monkeypatch, name, value):
    monkeypatch.setenv("AIP_STORAGE_URI", "gs://bucket/models")
    monkeypatch.setenv(name, value)

    assert read_settings().models_dir == Settings().models_dir


def test_settings_without_their_prefix_are_read(monkeypatch):
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/h")

    assert json.loads(read_settings().model_dump_json())["aip_health_route"] == "/h"
