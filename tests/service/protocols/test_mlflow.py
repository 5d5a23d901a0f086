"""MLflow's scoring protocol, asked by MLflow's own scoring client."""

import base64

import pytest

from tests.support.clients.foreign_clients import run_client
from tests.support.clients.in_process import ask, get, post
from tests.support.http_calls import CLIENT, PNG
from tests.support.images import pictures

B64 = base64.b64encode(PNG).decode()
FOUR = base64.b64encode(pictures.encoded(pictures.digit(4))).decode()

SCORING = """
import json, sys
import numpy as np
import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

url, seven, four = sys.argv[1:]
client = ScoringServerClient("127.0.0.1", int(url.rpartition(":")[2]))
client.wait_server_ready()
sent = {
    "frame": pd.DataFrame({"image": [four, seven]}),
    "frame of any name": pd.DataFrame({"photo": [four, seven]}),
    "frame of several columns": pd.DataFrame({"id": [1, 2], "image": [four, seven]}),
    "array": np.array([four, seven]),
    "array of rows": np.array([[four], [seven]]),
    "list": [four, seven],
}
found = {name: client.invoke(data, params={"model": "digits-mlp"}) for name, data in sent.items()}
frame = client.invoke(sent["frame"]).get_predictions()
try:
    client.invoke(sent["list"], params={"model": "nobody"})
except Exception as error:
    refused = str(error)
print(json.dumps({
    "version": client.get_version(), "found": found, "refused": refused,
    "columns": sorted(frame.columns), "labels": list(frame["label"]),
}))
"""


@pytest.mark.slow
def test_mlflows_scoring_client(server):
    got = run_client(SCORING, server, B64, FOUR)

    for name, answer in got["found"].items():
        assert [row["label"] for row in answer["predictions"]] == ["4", "7"], name
        assert answer["model"] == "digits-mlp"
    assert got["labels"] == ["4", "7"]
    assert got["columns"] == ["familiar", "label", "probabilities", "probability"]
    assert got["version"].startswith("2.")
    assert "404" in got["refused"] and "There is no model 'nobody' here" in got["refused"]


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [{"image": FOUR}, {"image": {"b64": B64}}]},
        {"instances": [FOUR, B64]},
        {"inputs": [FOUR, B64]},
        {"inputs": {"image": [FOUR, B64]}},
        {"dataframe_records": [{"image": FOUR, "id": 1}, {"image": B64, "id": 2}]},
        {"dataframe_split": {"index": [0, 1], "columns": ["id", "image"], "data": [[1, FOUR], [2, B64]]}},
    ],
    ids=lambda body: next(iter(body)),
)
def test_documented_forms(server, body):
    answer = CLIENT.post(f"{server}/invocations", json=body | {"params": {"model": "digits-mlp"}}).json()

    assert set(answer) == {"predictions", "model", "version"}
    assert [row["label"] for row in answer["predictions"]] == ["4", "7"]
    assert answer["model"] == "digits-mlp"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"params": {"model": "digits-mlp"}}, 400, "BAD_REQUEST"),
        ({"instances": [B64], "inputs": [B64]}, 400, "BAD_REQUEST"),
        ({"instances": [B64] * 257}, 413, "BAD_REQUEST"),
        ({"instances": [B64], "params": {"model": "nobody"}}, 404, "RESOURCE_DOES_NOT_EXIST"),
    ],
)
def test_errors_have_mlflows_form(server, body, status, code):
    response = CLIENT.post(f"{server}/invocations", json=body)

    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
    assert response.json()["error_code"] == code
    assert response.json()["message"]


def test_probes(zoo):
    def drain(application):
        application.connections.draining = True

    requests = [get(path) for path in ("/ping", "/health", "/version")]
    settings = {"api_keys": "0123456789abcdef", "protocols": "mlflow"}

    assert [response.status_code for response in ask(zoo, *requests, **settings)] == [200, 200, 200]
    ending = ask(zoo, *requests, before=drain, **settings)
    assert [response.status_code for response in ending] == [503, 503, 200]
    assert ending[0].json()["error_code"] == "TEMPORARILY_UNAVAILABLE"


def test_keys(zoo):
    (refused,) = ask(
        zoo, post("/invocations", json={"inputs": [B64]}), api_keys="0123456789abcdef", protocols="mlflow"
    )

    assert (refused.status_code, refused.json()["error_code"]) == (401, "UNAUTHENTICATED")
