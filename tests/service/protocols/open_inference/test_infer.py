"""POST /v2/models/NAME/infer in each of its forms: the same answer, and the one that /classify gives."""

import base64
import gzip
import json
import shutil
import struct
import subprocess

import numpy as np
import pytest

from models.image.decode import open_picture
from models.model import ZOO, open_model
from tests.support.http_calls import CLIENT, PNG, post
from tests.support.images import pictures

MODEL = open_model(ZOO / "digits-cnn.onnx")
VIEW = MODEL.card.view
DIGITS = [pictures.encoded(pictures.digit(digit)) for digit in (7, 1, 4)]
PIXELS = np.stack([VIEW(open_picture(data, VIEW.shorter_side)) for data in DIGITS])
BASE64 = [base64.b64encode(data).decode() for data in DIGITS]
LENGTHS_AND_DATA = b"".join(struct.pack("<I", len(data)) + data for data in DIGITS)
HEADER = "Inference-Header-Content-Length"


def infer(server, body, *, model="digits-cnn", **headers):
    """The answer to a body: JSON where it is an object."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return CLIENT.post(f"{server}/v2/models/{model}/infer", content=content, headers=headers)


def tensors(response):
    """The tensors of an answer in JSON, by name."""
    assert response.status_code == 200, response.text
    return {one["name"]: one for one in response.json()["outputs"]}


def pixels(shape=(3, 28, 28, 1), **rest):
    return {"name": "pixels", "datatype": "UINT8", "shape": list(shape), **rest}


def picture(shape=(3,), **rest):
    return {"name": "picture", "datatype": "BYTES", "shape": list(shape), **rest}


def with_binary(tensor, data, **request):
    """A body and the header that says where its JSON ends."""
    tensor = tensor | {"parameters": {"binary_data_size": len(data)}}
    head = json.dumps({"inputs": [tensor], **request}).encode()
    return head + data, {HEADER: str(len(head))}


FORMS = {
    "flat": {"inputs": [pixels(data=PIXELS.ravel().tolist())]},
    "nested": {"inputs": [pixels(data=PIXELS.tolist())]},
    "base64": {"inputs": [picture(data=BASE64)]},
    "base64-column": {"inputs": [picture((3, 1), data=[[text] for text in BASE64])]},
    "data-url": {"inputs": [picture(data=[f"data:image/png;base64,{text}" for text in BASE64])]},
    "binary-pixels": with_binary(pixels(), PIXELS.tobytes()),
    "binary-pictures": with_binary(picture(), LENGTHS_AND_DATA),
    "binary-column": with_binary(picture((3, 1)), LENGTHS_AND_DATA),
    "raw-pixels": (PIXELS.tobytes(), {HEADER: "0"}),
    "gzip": (gzip.compress(with_binary(picture(), LENGTHS_AND_DATA)[0]),
             with_binary(picture(), LENGTHS_AND_DATA)[1] | {"Content-Encoding": "gzip"}),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_answer_of_the_model(server, form):
    body, headers = FORMS[form] if isinstance(FORMS[form], tuple) else (FORMS[form], {})
    answer = infer(server, body, **headers)

    outputs, expected = tensors(answer), MODEL(PIXELS)
    assert outputs["probabilities"]["shape"] == [3, 10]
    got = np.reshape(outputs["probabilities"]["data"], (3, 10))
    np.testing.assert_allclose(got, expected["probabilities"], atol=1e-5)
    np.testing.assert_allclose(outputs["familiarity"]["data"], expected["familiarity"], atol=1e-4)
    assert outputs["label"] == {"name": "label", "datatype": "BYTES", "shape": [3], "data": ["7", "1", "4"]}
    assert outputs["familiar"]["datatype"] == "BOOL"
    assert (
        outputs["familiar"]["data"] == (expected["familiarity"] >= MODEL.card.familiarity_threshold).tolist()
    )
    assert (answer.json()["model_name"], answer.json()["model_version"]) == ("digits-cnn", MODEL.card.version)
    assert "id" not in answer.json()


@pytest.mark.parametrize("options", [["-H", f"{HEADER}: 0"], [], ["-H", "Content-Type: image/png"]])
def test_curl_with_a_picture_as_the_body(server, tmp_path, options):
    """curl says application/x-www-form-urlencoded where it is not told otherwise."""
    assert shutil.which("curl"), "apt-get install curl"
    (tmp_path / "7.png").write_bytes(PNG)
    command = ["curl", "-s", f"{server}/v2/models/digits-cnn/infer", *options, "--data-binary", "@7.png"]
    said = json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout)

    classified = post(server).json()
    outputs = {one["name"]: one["data"] for one in said["outputs"]}
    assert outputs["label"] == [classified["label"]] == ["7"]
    assert max(outputs["probabilities"]) == pytest.approx(classified["probability"], abs=1e-5)


def test_a_picture_whose_size_is_that_of_pixels_is_a_picture(server):
    padded = PNG + bytes(-len(PNG) % 784)
    assert len(padded) % 784 == 0

    assert tensors(infer(server, padded, **{HEADER: "0"}))["label"]["data"] == ["7"]


def test_outputs_behind_the_json(server):
    answer = infer(server, {
        "id": "order-66",
        "inputs": [pixels(data=PIXELS.tolist())],
        "parameters": {"binary_data_output": True},
        "outputs": [
            {"name": "label"},
            {"name": "familiarity", "parameters": {"binary_data": False}},
            {"name": "probabilities", "parameters": {"binary_data": True}},
            {"name": "familiar"},
        ],
    })  # fmt: skip
    length = int(answer.headers[HEADER])
    head, behind = json.loads(answer.content[:length]), answer.content[length:]

    assert answer.headers["content-type"] == "application/octet-stream"
    assert head["id"] == "order-66"
    sizes = [one.get("parameters", {}).get("binary_data_size") for one in head["outputs"]]
    assert [one["name"] for one in head["outputs"]] == ["label", "familiarity", "probabilities", "familiar"]
    assert sizes == [15, None, 120, 3]
    assert behind[:15] == b"\1\0\0\0" + b"7" + b"\1\0\0\0" + b"1" + b"\1\0\0\0" + b"4"
    probabilities = np.frombuffer(behind[15:135], "<f4").reshape(3, 10)
    np.testing.assert_allclose(probabilities, MODEL(PIXELS)["probabilities"], atol=1e-5)
    assert set(behind[135:]) <= {0, 1}


@pytest.mark.parametrize(("asked", "given"), [(1, 1), (3, 3), (99, 10)])
def test_classes_in_place_of_probabilities(server, asked, given):
    outputs = [{"name": "probabilities", "parameters": {"classification": asked}}]
    found = tensors(infer(server, {"inputs": [pixels(data=PIXELS.tolist())], "outputs": outputs}))

    assert set(found) == {"probabilities"}
    classes = found["probabilities"]
    assert (classes["datatype"], classes["shape"]) == ("BYTES", [3, given])
    rows = np.reshape(classes["data"], (3, given))
    for row, probabilities in zip(rows, MODEL(PIXELS)["probabilities"], strict=True):
        values, indices, labels = zip(*(text.split(":") for text in row), strict=True)
        assert list(map(int, indices)) == np.argsort(-probabilities)[:given].tolist()
        assert labels == tuple(MODEL.card.labels[int(index)] for index in indices)
        np.testing.assert_allclose(list(map(float, values)), np.sort(probabilities)[::-1][:given], atol=1e-5)


def test_prices_of_pixels(server):
    card = open_model(ZOO / "cars-mlp.onnx").card
    golden = card.golden.unpack()[:1]
    tensor = pixels(golden.shape, data=golden.ravel().tolist())
    outputs = tensors(infer(server, {"inputs": [tensor]}, model="cars-mlp"))

    assert list(outputs) == ["value", "low", "high", "familiarity", "familiar"]
    for name in card.outputs:
        assert outputs[name]["data"] == pytest.approx(card.golden.answers[name][:1], rel=1e-2)


def test_the_version_may_be_named(server):
    body = {"inputs": [picture((1,), data=BASE64[:1])]}
    at = f"digits-cnn/versions/{MODEL.card.version}"

    assert tensors(infer(server, body, model=at))["label"]["data"] == ["7"]
    refused = infer(server, body, model="digits-cnn/versions/1")
    assert refused.status_code == 404
    assert MODEL.card.version in refused.json()["error"]


def test_a_request_keeps_the_id_of_its_header(server):
    answer = infer(server, PIXELS.tobytes(), **{HEADER: "0", "X-Request-ID": "order-66"})

    assert answer.headers["x-request-id"] == "order-66"
    assert "infer;dur=" in answer.headers["server-timing"]
