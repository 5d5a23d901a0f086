"""What the server and its models say of themselves, in the forms that the protocol publishes."""

import tomllib

import jsonschema_rs
import pytest

from loadtests.server import REPO, serving
from models.model import ZOO, find_model_files, open_model
from tests.service.protocols.open_inference.test_infer import HEADER, infer, pixels
from tests.support.http_calls import CLIENT, PNG

CARD = open_model(ZOO / "digits-cnn.onnx").card
CARS = open_model(ZOO / "cars-cnn.onnx").card

STRING, NUMBERS = {"type": "string"}, {"type": "array", "items": {"type": "integer"}}


def an_object(required, **properties):
    return {"type": "object", "properties": properties, "required": required.split()}


def a_list(items):
    return {"type": "array", "items": items}


# The responses of specification/protocol/open_inference_rest.yaml.
METADATA_TENSOR = an_object("name datatype shape", name=STRING, datatype=STRING, shape=NUMBERS)
TENSOR_DATA = a_list({"type": ["number", "string", "boolean", "array"]})
SCHEMAS = {
    "server": an_object("name version extensions", name=STRING, version=STRING, extensions=a_list(STRING)),
    "model": an_object(
        "name platform", name=STRING, platform=STRING, versions=a_list(STRING),
        inputs=a_list(METADATA_TENSOR), outputs=a_list(METADATA_TENSOR),
    ),
    "infer": an_object(
        "model_name outputs", model_name=STRING, model_version=STRING, id=STRING,
        parameters={"type": "object"},
        outputs=a_list(an_object(
            "name shape datatype data", name=STRING, shape=NUMBERS, datatype=STRING, data=TENSOR_DATA
        )),
    ),
    "error": an_object("error", error=STRING),
}  # fmt: skip
DURATION = an_object("count ns", count={"type": "integer"}, ns={"type": "integer"})
# Triton's, of docs/protocol/extension_statistics.md.
STATISTICS = an_object("model_stats", model_stats=a_list(an_object(
    "name inference_count execution_count inference_stats batch_stats", name=STRING, version=STRING,
    inference_count={"type": "integer"}, execution_count={"type": "integer"}, batch_stats=a_list({}),
    inference_stats={
        **an_object("success fail queue compute_input compute_infer compute_output cache_hit"),
        "additionalProperties": DURATION,
    },
)))  # fmt: skip


def get(server, path):
    answer = CLIENT.get(f"{server}/v2{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("schema", "path"),
    [("server", ""), ("server", "/")]
    + [("model", f"/models/{path.stem}") for path in find_model_files()]
    + [("model", f"/models/digits-cnn/versions/{CARD.version}")],
)
def test_metadata_has_the_published_form(server, schema, path):
    jsonschema_rs.validate(SCHEMAS[schema], get(server, path))


def test_answers_and_errors_have_the_published_form(server):
    answer = infer(server, {"inputs": [pixels((2, 28, 28, 1), data=[0] * 1568)], "id": "42"})
    jsonschema_rs.validate(SCHEMAS["infer"], answer.json())
    jsonschema_rs.validate(SCHEMAS["error"], infer(server, {}).json())
    jsonschema_rs.validate(SCHEMAS["error"], CLIENT.get(f"{server}/v2/models/none").json())
    jsonschema_rs.validate(STATISTICS, get(server, "/models/stats"))
    assert answer.json()["id"] == "42"


def test_the_version_is_that_of_the_project(server):
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]

    assert {key: get(server, "")[key] for key in ("name", "version")} == {
        "name": project["name"],
        "version": project["version"],
    }


def test_tensors_are_told_as_they_are(server):
    digits, cars = get(server, "/models/digits-cnn"), get(server, "/models/cars-cnn")

    assert {one["name"]: (one["datatype"], one["shape"]) for one in digits["inputs"]} == {
        "pixels": ("UINT8", [-1, 28, 28, 1]),
        "picture": ("BYTES", [-1]),
    }
    assert {one["name"]: (one["datatype"], one["shape"]) for one in digits["outputs"]} == {
        "probabilities": ("FP32", [-1, 10]),
        "familiarity": ("FP32", [-1]),
        "label": ("BYTES", [-1]),
        "familiar": ("BOOL", [-1]),
    }
    assert cars["inputs"][0]["shape"] == [-1, *CARS.view.shape]
    assert [one["name"] for one in cars["outputs"]] == ["value", "low", "high", "familiarity", "familiar"]


def test_the_configuration_is_triton_s(server):
    config = get(server, f"/models/cars-cnn/versions/{CARS.version}/config")

    assert (config["name"], config["platform"]) == ("cars-cnn", "onnxruntime_onnx")
    assert config["max_batch_size"] == 2  # what one run has room for
    assert config["input"][0] == {
        "name": "pixels", "data_type": "TYPE_UINT8", "dims": [*CARS.view.shape], "optional": True
    }  # fmt: skip
    assert config["output"][0] == {"name": "value", "data_type": "TYPE_FP32", "dims": []}
    assert get(server, "/models/digits-cnn/config")["max_batch_size"] == 64


def test_probes(server):
    assert get(server, "/health/live") == {"live": True}
    assert get(server, "/health/ready") == {"ready": True}
    assert get(server, "/models/digits-cnn/ready") == {"name": "digits-cnn", "ready": True}
    assert get(server, f"/models/digits-cnn/versions/{CARD.version}/ready")["ready"]
    for path in (
        "/models/none/ready",
        "/models/digits-cnn/versions/1/ready",
        "/models/digits-cnn/versions/1",
    ):
        assert CLIENT.get(f"{server}/v2{path}").status_code == 404
    assert CLIENT.head(f"{server}/v2/health/live").content == b""


def statistics(server):
    [counted] = get(server, "/models/fashion-cnn/stats")["model_stats"]
    return counted


def test_statistics_of_all_workers(server):
    before = statistics(server)
    for _ in range(8):  # each over a connection of its own, so that several workers count
        infer(server, PNG, model="fashion-cnn").raise_for_status()
    infer(server, bytes(784 * 20), model="fashion-cnn", **{HEADER: "0"}).raise_for_status()
    assert infer(server, PNG[:300], model="fashion-cnn").status_code == 422
    after = statistics(server)

    assert after["version"] == get(server, "/models/fashion-cnn")["versions"][0]
    assert after["inference_count"] - before["inference_count"] == 28
    assert 9 <= after["execution_count"] - before["execution_count"] <= 28
    old, new = before["inference_stats"], after["inference_stats"]
    assert new["fail"]["count"] - old["fail"]["count"] == 1
    assert 9 <= new["success"]["count"] - old["success"]["count"] <= 28
    assert new["success"]["ns"] == pytest.approx(
        sum(new[stage]["ns"] for stage in ("queue", "compute_input", "compute_infer")), rel=1e-6
    )
    assert min(new[stage]["ns"] - old[stage]["ns"] for stage in ("compute_input", "compute_infer")) > 0


@pytest.mark.slow
def test_keys_and_the_switch(zoo, tmp_path):
    """Probes need no key; what is switched off is not there, but the repository is."""
    settings = {"api_keys": "a-key-of-20-letters", "workers": "1"}
    with serving(zoo, tmp_path / "log", **settings) as url:
        assert get(url, "/health/live") and get(url, "/health/ready")
        assert get(url, "/models/digits-linear/ready")
        refused = CLIENT.get(f"{url}/v2/models/digits-linear")
        assert (refused.status_code, list(refused.json())) == (401, ["error"])
        assert infer(url, PNG, model="digits-linear").status_code == 401
        key = {"Authorization": "Bearer a-key-of-20-letters"}
        assert infer(url, PNG, model="digits-linear", **key).status_code == 200
    with serving(zoo, tmp_path / "log", protocols="hugging-face", workers="1") as url:
        assert CLIENT.get(f"{url}/v2").status_code == 404
        assert infer(url, PNG, model="digits-linear").status_code == 404
        assert get(url, "/repository/index")


@pytest.mark.slow
def test_pictures_of_a_tensor_count_against_the_rate(zoo, tmp_path):
    """Ten seconds' worth at once: the second tensor comes too early."""
    with serving(zoo, tmp_path / "log", rate_limit="2", workers="1") as url:
        statuses = [
            infer(url, bytes(784 * 100), model="digits-linear", **{HEADER: "0"}).status_code for _ in range(2)
        ]
    assert statuses == [200, 429]
