"""SageMaker: its SDK's local client and boto3's request, batch transform, and where its models lie."""

import base64
import json

import pytest

from service import settings
from service.settings import read_settings
from tests.support.clients.foreign_clients import run_client
from tests.support.clients.in_process import ask, get, post
from tests.support.http_calls import CLIENT, PNG
from tests.support.images import pictures

B64 = base64.b64encode(PNG).decode()
FOUR = base64.b64encode(pictures.encoded(pictures.digit(4))).decode()
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"

CLIENTS = """
import base64, json, sys
import boto3
from sagemaker.core.deserializers import JSONDeserializer
from sagemaker.core.local.local_session import LocalSagemakerRuntimeClient
from sagemaker.core.serializers import DataSerializer, JSONSerializer

url, picture = sys.argv[1:]
port = int(url.rpartition(":")[2])
local = LocalSagemakerRuntimeClient({"local": {"serving_port": port}})
remote = boto3.client(
    "sagemaker-runtime", endpoint_url=url, region_name="eu-central-1",
    aws_access_key_id="none", aws_secret_access_key="none",
)

def as_sagemaker_does(request, **_):
    "What stands between InvokeEndpoint and a container: the path is that of the container."
    request.url = request.url.replace("/endpoints/glimpse/", "/")

remote.meta.events.register("before-send.sagemaker-runtime.InvokeEndpoint", as_sagemaker_does)

def invoke(client, serializer, data, **more):
    content_type = serializer.CONTENT_TYPE
    answer = client.invoke_endpoint(
        EndpointName="glimpse", Body=serializer.serialize(data), ContentType=content_type, **more
    )
    return JSONDeserializer().deserialize(answer["Body"], answer["ContentType"])

image = DataSerializer(content_type="image/png")
found = {}
for name, client in (("local", local), ("boto3", remote)):
    found[name] = {
        "image": invoke(client, image, base64.b64decode(picture)),
        "price": invoke(client, image, base64.b64decode(picture), CustomAttributes="model=cars-mlp"),
        "rows": invoke(client, JSONSerializer(), {"instances": [picture, "no picture"]}),
        "chosen": invoke(
            client, JSONSerializer(), {"instances": [picture]}, CustomAttributes="trace=1, model=digits-mlp"
        ),
    }
bare = remote.invoke_endpoint(EndpointName="glimpse", Body=base64.b64decode(picture))
found["untyped"] = json.loads(bare["Body"].read())["label"]
try:
    remote.invoke_endpoint(EndpointName="glimpse", Body=b"text", ContentType="image/png")
except remote.exceptions.ClientError as error:
    found["refused"] = error.response["ResponseMetadata"]["HTTPStatusCode"]
print(json.dumps(found))
"""


@pytest.mark.slow
def test_the_sdks_local_client_and_boto3(server):
    got = run_client(CLIENTS, server, B64)

    for client in ("local", "boto3"):
        assert got[client]["image"]["label"] == "7"
        assert set(got[client]["price"]) >= {"price", "low", "high", "model", "request_id"}
        good, bad = got[client]["rows"]["predictions"]
        assert (good["label"], bad["error"]["status"]) == ("7", 400)
        assert got[client]["chosen"]["model"] == "digits-mlp"
    assert got["untyped"] == "7"
    assert got["refused"] == 415


def test_a_picture_is_answered_as_by_classify(server):
    invoked = CLIENT.post(f"{server}/invocations", content=PNG, headers={"Content-Type": "image/jpeg"}).json()
    classified = CLIENT.post(f"{server}/classify", files={"image": PNG}).json()

    assert set(invoked) == set(classified)
    assert invoked["label"] == classified["label"]
    assert invoked["probabilities"] == pytest.approx(classified["probabilities"], abs=1e-4)


@pytest.mark.parametrize(
    ("attributes", "model"),
    [
        ("model=cars-mlp", "cars-mlp"),
        ("a=b,model=digits-linear;c", "digits-linear"),
        ("remodel=cars-mlp", None),
    ],
)
def test_custom_attributes_choose_a_model(server, attributes, model):
    answer = CLIENT.post(f"{server}/invocations", content=PNG, headers={ATTRIBUTES: attributes}).json()

    assert answer["model"] == (model or "digits-cnn")


def test_ping(zoo):
    """Empty, open where keys are set, and 503 from the signal to end on."""

    def drain(application):
        application.connections.draining = True

    for protocols in ("sagemaker", "sagemaker,mlflow"):
        settings = {"api_keys": "0123456789abcdef", "protocols": protocols}
        (well,) = ask(zoo, get("/ping"), **settings)
        (ending,) = ask(zoo, get("/ping"), before=drain, **settings)

        assert (well.status_code, well.content) == (200, b"")
        assert ending.status_code == 503


def test_lines_of_batch_transform(server):
    lines = "\n".join(
        [
            json.dumps({"b64": FOUR}),
            "",
            json.dumps(B64),
            "{no json",
            json.dumps({"b64": B64, "more": [0] * 1000}),
            json.dumps([B64]),
        ]
    )
    response = CLIENT.post(
        f"{server}/invocations", content=lines, headers={"Content-Type": "application/jsonlines"}
    )
    answers = [json.loads(line) for line in response.text.splitlines()]

    assert response.headers["content-type"] == "application/jsonlines"
    assert [answer.get("label") for answer in answers] == ["4", "7", None, None, "7"]
    assert [answers[index]["error"]["status"] for index in (2, 3)] == [400, 400]


@pytest.mark.parametrize(("lines", "status"), [("", 400), ("\n \n", 400), ("0\n" * 257, 413)])
def test_lines_are_counted(server, lines, status):
    response = CLIENT.post(
        f"{server}/invocations", content=lines, headers={"Content-Type": "application/jsonlines"}
    )

    assert response.status_code == status
    assert "picture" in response.json()["detail"]


@pytest.mark.parametrize(
    ("max_upload_bytes", "payload"),
    [(32 * 2**20, 6), (2 * 2**20, 2), (1000, 1)],
    ids=["ours", "2 MiB", "tiny"],
)
def test_execution_parameters(zoo, max_upload_bytes, payload):
    (response,) = ask(zoo, get("/execution-parameters"), max_upload_bytes=max_upload_bytes)
    parameters = response.json()

    assert parameters["MaxPayloadInMB"] == payload
    # SageMaker's own rule for the two.
    assert 100 - payload < parameters["MaxConcurrentTransforms"] * payload <= 100
    assert parameters["BatchStrategy"] == "SINGLE_RECORD"


@pytest.mark.parametrize(
    ("protocols", "invocations", "ping", "version"),
    [
        ("sagemaker,mlflow", 200, 200, 200),
        ("mlflow,sagemaker", 200, 200, 200),
        ("sagemaker", 200, 200, 404),
        ("mlflow", 400, 200, 200),
        ("kserve", 404, 404, 404),
    ],
)
def test_each_of_two_protocols_on_the_same_paths_can_be_switched_off(
    zoo, protocols, invocations, ping, version
):
    picture, rows, frame, *others = ask(
        zoo,
        post("/invocations", content=PNG, headers={"Content-Type": "image/png"}),
        post("/invocations", json={"instances": [B64]}),
        post("/invocations", json={"dataframe_records": [{"image": B64}]}),
        get("/ping"),
        get("/version"),
        protocols=protocols,
    )

    assert picture.status_code == invocations
    assert [other.status_code for other in others] == [ping, version]
    assert rows.status_code == (404 if protocols == "kserve" else 200)
    assert frame.status_code == {"kserve": 404, "sagemaker": 400}.get(protocols, 200)


def test_errors_have_the_form_of_the_protocol_that_answered(zoo):
    picture, rows = ask(
        zoo,
        post("/invocations", content=b"text", headers={"Content-Type": "image/png"}),
        post("/invocations", json={"instances": []}),
    )

    assert picture.headers["content-type"] == "application/problem+json"
    assert set(rows.json()) == {"error_code", "message"}


@pytest.fixture
def opt_ml_model(monkeypatch, tmp_path):
    """A folder in the place of SageMaker's, which only root may make."""
    monkeypatch.setattr(settings, "SAGEMAKER_MODELS", tmp_path)
    monkeypatch.delenv("GLIMPSE_MODELS_DIR", raising=False)
    return tmp_path


def test_its_models_are_served_if_it_started_us(opt_ml_model):
    ours = read_settings().models_dir
    assert read_settings(serve=True).models_dir == ours  # there are none in it

    (opt_ml_model / "digits-mlp.onnx").touch()
    assert read_settings(serve=True).models_dir == opt_ml_model
    assert read_settings().models_dir == ours


@pytest.mark.parametrize(("name", "value"), [("MODELS_DIR", "/mine"), ("PROTOCOLS", "kserve")])
def test_its_models_are_left_alone_otherwise(opt_ml_model, monkeypatch, name, value):
    (opt_ml_model / "digits-mlp.onnx").touch()
    monkeypatch.setenv(f"GLIMPSE_{name}", value)

    assert read_settings(serve=True).models_dir != opt_ml_model
