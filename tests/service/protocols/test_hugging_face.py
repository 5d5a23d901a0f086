"""Hugging Face's form: by its own clients in Python and JavaScript, and by hand."""

import base64
import json
import shutil
import subprocess

import pytest

from tests.support.clients.foreign_clients import run_client
from tests.support.http_calls import CLIENT, PNG
from tests.support.images import pictures

HUGGINGFACE_JS = "@huggingface/inference@4.13.30"

PYTHON = """
import asyncio, json, sys
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError

url, picture, broken = sys.argv[1:]
client = InferenceClient(model=url)

async def asked():
    async with AsyncInferenceClient(model=url) as client:
        return await client.image_classification(picture, top_k=1)

def error_of(**options):
    try:
        client.image_classification(**options)
    except HfHubHTTPError as error:
        return error.response.status_code, str(error)

rows = {
    "bytes": client.image_classification(open(picture, "rb").read()),
    "path": client.image_classification(picture, top_k=3),
    "softmax": client.image_classification(picture, top_k=2, function_to_apply="softmax"),
    "asynchronous": asyncio.run(asked()),
}
errors = {
    "broken": error_of(image=broken),
    "sigmoid": error_of(image=picture, function_to_apply="sigmoid"),
}
print(json.dumps({name: [dict(row) for row in found] for name, found in rows.items()} | errors))
"""

JAVASCRIPT = """
import { InferenceClient } from "@huggingface/inference";
import { readFileSync } from "node:fs";

const [url, picture, broken] = process.argv.slice(2);
const client = new InferenceClient().endpoint(url);
const read = (path) => new Blob([readFileSync(path)]);
const rows = await client.imageClassification({ data: read(picture) });
let error;
try {
  await client.imageClassification({ data: read(broken) });
} catch (thrown) {
  error = [thrown.httpResponse.status, thrown.message];
}
console.log(JSON.stringify({ rows, error }));
"""


@pytest.fixture
def files(tmp_path):
    """The paths of a picture and of a broken one."""
    picture, broken = tmp_path / "7.jpg", tmp_path / "broken.png"
    picture.write_bytes(pictures.encoded(pictures.digit(7), "JPEG"))
    broken.write_bytes(PNG[:300])
    return str(picture), str(broken)


def ask(server, model="digits-cnn", **request):
    return CLIENT.post(f"{server}/hf/{model}", json=request)


def in_base64(picture=PNG):
    return base64.b64encode(picture).decode()


def test_clients_in_python(server, files):
    told = run_client(PYTHON, f"{server}/hf/digits-cnn", *files)

    scores = [row["score"] for row in told["bytes"]]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == 10
    assert told["bytes"][0]["label"] == "7"
    assert told["path"] == told["bytes"][:3]
    assert told["softmax"] == told["bytes"][:2]
    assert told["asynchronous"] == told["bytes"][:1]
    status, message = told["broken"]
    assert status == 422
    assert "will not decode" in message
    status, message = told["sigmoid"]
    assert status == 400
    assert "must be softmax" in message


@pytest.fixture(scope="module")
def huggingface_js(tmp_path_factory):
    """A folder with huggingface.js in it."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed: apt-get install npm")
    folder = tmp_path_factory.mktemp("huggingface_js")
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
    done = subprocess.run([npm, "install", *options, HUGGINGFACE_JS], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"huggingface.js is not installed: {done.stderr.strip().splitlines()[-1]}")
    return folder


@pytest.mark.slow
def test_client_in_javascript(server, files, huggingface_js):
    script = huggingface_js / "ask.mjs"
    script.write_text(JAVASCRIPT)
    command = ["node", script, f"{server}/hf/digits-cnn", *files]
    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["rows"][0]["label"], len(told["rows"])) == ("7", 10)
    status, message = told["error"]
    assert status == 422
    assert "will not decode" in message


def test_scores_are_those_of_classify(server):
    probabilities = CLIENT.post(f"{server}/classify", files={"image": PNG}).json()["probabilities"]

    rows = CLIENT.post(f"{server}/hf/digits-cnn", content=PNG).json()

    assert {row["label"]: row["score"] for row in rows} == probabilities


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded", None])
def test_json_is_known_as_curl_sends_it(server, content_type):
    """`curl -d` declares a form."""
    content = " " + json.dumps({"inputs": in_base64(), "parameters": {"top_k": 1}})
    headers = {"Content-Type": content_type} if content_type else {}

    rows = CLIENT.post(f"{server}/hf/digits-cnn", content=content, headers=headers).json()

    assert [row["label"] for row in rows] == ["7"]


@pytest.mark.parametrize("inputs", [{"image": in_base64()}, f"data:image/png;base64,{in_base64()}"])
def test_pictures_may_come_as_data_urls_or_objects(server, inputs):
    assert ask(server, inputs=inputs, parameters=None).json()[0]["label"] == "7"


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"function_to_apply": "none"}, "`function_to_apply` must be softmax"),
        ({"top_k": 0}, "`top_k` must be"),
        ({"top_k": True}, "`top_k` must be"),
        ({"top_k": "3"}, "`top_k` must be"),
        ({"top_k": 1.5}, "`top_k` must be"),
        ({"candidate_labels": ["a"]}, "no parameter 'candidate_labels'"),
        ([], "`parameters` must be"),
        ("", "`parameters` must be"),
        (0, "`parameters` must be"),
    ],
)
def test_parameters_that_cannot_be_honoured_are_refused(server, parameters, says):
    response = ask(server, inputs=in_base64(), parameters=parameters)

    assert response.status_code == 400
    assert says in response.json()["detail"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"", 400),
        (b"null", 400),
        (b'{"inputs": 7}', 400),
        (b'{"inputs": "http://localhost/7.png"}', 400),
        (b'{"inputs": "===="}', 400),
        (b'{"inputs": "\\ud800"}', 400),
        (b'{"inputs": NaN}', 400),
        (b'{"inputs": ""}', 422),
        (b'{"inputs": "bm8gcGljdHVyZQ=="}', 415),
        (b'{"inputs": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", 400),
        (b'{"inputs": "", "parameters": {"' + b"x" * 10**6 + b'": 1}}', 400),
        (b'{"inputs": "", "parameters": {"\\udcff": 1}}', 400),
        (b'{"inputs": "", "parameters": {"top_k": ' + b"9" * 5000 + b"}}", 400),
    ],
    ids=range(15),
)
def test_broken_requests_are_told_what_is_wrong(server, content, status):
    response = CLIENT.post(
        f"{server}/hf/digits-cnn", content=content, headers={"Content-Type": "application/json"}
    )

    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert len(response.json()["detail"]) < 500


def test_a_body_without_a_picture_is_refused(server):
    assert CLIENT.post(f"{server}/hf/digits-cnn", content=b"").status_code == 422
    assert CLIENT.post(f"{server}/hf/digits-cnn", content=b"no picture").status_code == 415


@pytest.mark.parametrize("model", ["nothing-here", "cars-transfer"])
def test_only_classifiers_are_asked(server, model):
    response = ask(server, model, inputs=in_base64())

    assert response.status_code == 404
    assert "there are: digits-cnn" in response.json()["detail"]
    assert CLIENT.get(f"{server}/hf/{model}/health").status_code == 404


def test_health(server):
    assert CLIENT.get(f"{server}/hf/digits-cnn/health").json() == {"status": "ok"}
    assert CLIENT.head(f"{server}/hf/digits-cnn/health").status_code == 200
    assert CLIENT.get(f"{server}/hf/digits-cnn").status_code == 405
