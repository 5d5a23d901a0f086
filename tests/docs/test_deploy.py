"""The pages on clouds: their commands run here; their Python asks a stand-in with a real server behind it."""

import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from loadtests.server import REPO, SERVING, started
from tests.support.clients.foreign_clients import run_client
from tests.support.clients.stand_in import Call, hand_on, stand_in
from tests.support.console import Step, steps
from tests.support.http_calls import CLIENT

pytestmark = pytest.mark.slow

SAGEMAKER = (REPO / "docs" / "deploy-sagemaker.md").read_text()
VERTEX = (REPO / "docs" / "deploy-vertex.md").read_text()
ADDRESS = "localhost:8080"
START = ".venv/bin/python -m service"
MODEL = "projects/my-project/locations/europe-west4/models/1"
ENDPOINT = "projects/my-project/locations/europe-west4/endpoints/2"
JOB = "projects/my-project/locations/europe-west4/batchPredictionJobs/3"


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    """A server as the two pages start it."""
    (of_sagemaker,) = [step.command for step in steps(SAGEMAKER) if START in step.command]
    (of_vertex,) = [step.command for step in steps(VERTEX) if START in step.command]
    told, _, _ = of_vertex.partition(START)
    variables = dict(part.split("=") for part in told.split())
    assert of_sagemaker == f"{START} --port 8080"
    assert variables.pop("AIP_HTTP_PORT") == "8080"

    log = tmp_path_factory.mktemp("deploy") / "log"
    environment = {**os.environ, "GLIMPSE_DRAIN_SECONDS": "0", **variables}
    with started([SERVING / "python", "-m", "service"], REPO, environment, log) as address:
        yield address


def commands(page: str) -> list[Step]:
    return [step for step in steps(page) if START not in step.command]


@pytest.mark.parametrize("page", [SAGEMAKER, VERTEX], ids=["sagemaker", "vertex"])
def test_commands_print_what_the_page_shows(url, page, tmp_path):
    for folder in ("docs", "models"):
        (tmp_path / folder).symlink_to(REPO / folder)
    found = commands(page)
    for step in found:
        command = step.command.replace(ADDRESS, url)
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True)

        assert done.returncode == 0, done.stderr
        step.assert_shown(done.stdout)
    assert len(found) >= 4


def script(page: str) -> str:
    """All Python of a page, in order."""
    return "\n".join(re.findall(r"^```python\n(.+?)^```", page, re.MULTILINE | re.DOTALL))


def test_python_for_sagemaker(url):
    def answer(call: Call):
        if call.path.startswith("/endpoints/glimpse/"):
            return hand_on(call, f"{url}/invocations")
        name = call.headers["x-amz-target"].removeprefix("SageMaker.")
        if name == "DescribeEndpoint":
            times = {"CreationTime": 0, "LastModifiedTime": 0}
            return {"EndpointName": "glimpse", "EndpointArn": "arn", "EndpointStatus": "InService", **times}
        return {}

    results = 'print(json.dumps([seven["model"], seven["label"]]))'
    with stand_in(answer) as (cloud, calls):
        got = run_client(
            f"{script(SAGEMAKER)}\n{results}",
            AWS_ENDPOINT_URL=cloud,
            AWS_ACCESS_KEY_ID="none",
            AWS_SECRET_ACCESS_KEY="none",
            AWS_EC2_METADATA_DISABLED="true",
        )

    assert got == ["digits-cnn", "7"]
    named = [
        call.headers["x-amz-target"].partition(".")[2] for call in calls if "x-amz-target" in call.headers
    ]
    assert named == [
        "CreateModel", "CreateEndpointConfig", "CreateEndpoint", "DescribeEndpoint",
        "CreateTransformJob", "CreateTransformJob",
        "DeleteEndpoint", "DeleteEndpointConfig", "DeleteModel",
    ]  # fmt: skip
    lines = [call.json for call in calls if call.headers.get("x-amz-target", "").endswith("TransformJob")][1]
    assert lines["TransformInput"]["ContentType"] == "application/jsonlines"


PRELUDE = """
import json, os, google.auth.transport.requests
from google.auth.credentials import AnonymousCredentials

CLOUD = os.environ["STAND_IN"]
session = google.auth.transport.requests.AuthorizedSession
send = session.request

def send_here(self, method, url, *arguments, **options):
    "rawPredict has Google's own host in its code."
    return send(self, method, url.replace("https://europe-west4-aiplatform.googleapis.com", CLOUD),
                *arguments, **options)

session.request = send_here
"""


def test_python_for_vertex(url):
    deployed = {"id": "4", "model": f"{MODEL}@1", "displayName": "glimpse"}
    made = {
        "/v1/projects/my-project/locations/europe-west4/models:upload": (
            "UploadModelResponse",
            {"model": MODEL},
        ),
        "/v1/projects/my-project/locations/europe-west4/endpoints": ("Endpoint", {"name": ENDPOINT}),
        f"/v1/{ENDPOINT}:deployModel": ("DeployModelResponse", {"deployedModel": deployed}),
        f"/v1/{ENDPOINT}:undeployModel": ("UndeployModelResponse", {}),
    }
    there = {
        f"/v1/{MODEL}": {
            "name": MODEL,
            "versionId": "1",
            "displayName": "glimpse",
            "supportedDeploymentResourcesTypes": ["DEDICATED_RESOURCES"],
            "containerSpec": {"imageUri": "x"},
        },
        f"/v1/{ENDPOINT}": {"name": ENDPOINT, "displayName": "glimpse", "deployedModels": [deployed]},
        f"/v1/{JOB}": {"name": JOB, "state": "JOB_STATE_SUCCEEDED"},
        "/v1/projects/my-project/locations/europe-west4/batchPredictionJobs": {"name": JOB},
    }

    def answer(call: Call):
        if call.path.endswith((":predict", ":rawPredict")):
            return hand_on(call, f"{url}/predict")
        operation = {"name": f"{MODEL}/operations/1", "done": True}
        if call.method == "DELETE":
            return operation | {
                "response": {"@type": "type.googleapis.com/google.protobuf.Empty", "value": {}}
            }
        if call.method == "POST" and call.path in made:
            kind, response = made[call.path]
            kind = f"type.googleapis.com/google.cloud.aiplatform.v1.{kind}"
            return operation | {"response": {"@type": kind, **response}}
        return there[call.path]

    begin = "aiplatform.init(project=PROJECT, location=REGION)"
    here = begin[:-1] + ', credentials=AnonymousCredentials(), api_transport="rest", api_endpoint=CLOUD)'
    assert begin in VERTEX
    results = 'print(json.dumps([answer.predictions[0]["label"], raw.json()["label"]]))'
    with stand_in(answer) as (cloud, calls):
        got = run_client(
            f"{PRELUDE}\n{script(VERTEX).replace(begin, here)}\n{results}", STAND_IN=cloud, CI="true"
        )

    assert got == ["7", "7"]
    container = calls[0].json["model"]["containerSpec"]
    assert (container["predictRoute"], container["healthRoute"]) == ("/predict", "/health")
    (job,) = [call.json for call in calls if call.path.endswith("/batchPredictionJobs")]
    assert job["modelParameters"] == {"model": "digits-cnn"}


def test_probes_of_the_pages_answer(url):
    assert [CLIENT.get(url + path).status_code for path in ("/ping", "/health")] == [200, 200]
