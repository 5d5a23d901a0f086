"""/docs.json as other programs read it: a validator, and a generator of clients."""

import json

import pytest

from tests.support.clients.foreign_clients import run_client
from tests.support.http_calls import CLIENT, PNG

VALIDATE = """
import json, sys
from openapi_spec_validator import validate

validate(json.loads(open(sys.argv[1]).read()))
print("null")
"""

GENERATE_AND_ASK = """
import io, json, subprocess, sys
from pathlib import Path

folder, server, picture = sys.argv[1:]
generator = Path(sys.executable).parent / "openapi-python-client"
command = [generator, "generate", "--path", f"{folder}/docs.json", "--output-path", f"{folder}/generated"]
done = subprocess.run([*command, "--meta", "none"], capture_output=True, text=True)
assert done.returncode == 0, done.stdout + done.stderr
assert "Unable to" not in done.stdout, done.stdout
sys.path.insert(0, folder)

from generated import Client
from generated.api.hugging_face import post_hf_name
from generated.api.k_serve_and_tensor_flow_serving import post_v1_models_name_predict as kserve
from generated.api.models import list_models
from generated.api.open_inference_protocol import post_v2_models_name_infer as infer
from generated.api.pictures import classify, classify_batch
from generated.models import ClassAnswer, ClassifyBatchBody, ClassifyFilesBody, PostHfNameJsonBody
from generated.models import InferenceError, InferenceRequest
from generated.models import KServeError, KServeRequest, PictureProblem, ProblemBody
from generated.types import File

client = Client(base_url=server)
content = Path(picture).read_bytes()
file = lambda content=content: File(payload=io.BytesIO(content), file_name="7.png")

answer = classify.sync(client=client, body=ClassifyFilesBody(image=file(), model="digits-mlp"))
assert isinstance(answer, ClassAnswer)
bare = classify.sync(client=client, body=file(), model="digits-cnn")
problem = classify.sync_detailed(client=client, body=file(content[:300]))
assert isinstance(problem.parsed, ProblemBody)
batch = classify_batch.sync(client=client, body=ClassifyBatchBody(images=[file(), file(b"text")]))
assert isinstance(batch.answers[1], PictureProblem)
rows = post_hf_name.sync("digits-cnn", client=client, body=PostHfNameJsonBody.from_dict(EXAMPLE))
row = KServeRequest.from_dict(ROW)
asked = kserve.sync("digits-mlp", client=client, body=row)
unknown = kserve.sync("nothing-here", client=client, body=row)
assert isinstance(unknown, KServeError)
tensor = InferenceRequest.from_dict(TENSOR)
inferred = infer.sync("digits-cnn", client=client, body=tensor)
assert isinstance(infer.sync("nothing-here", client=client, body=tensor), InferenceError)
print(json.dumps({
    "answers": [[answer.label, answer.model], [bare.label, bare.model]],
    "problem": [problem.status_code, problem.parsed.title, problem.parsed.detail],
    "batch": [batch.answers[0].label, batch.answers[1].error.status],
    "rows": [row.label for row in rows],
    "kserve": [asked.model, asked.predictions[0].label, asked.predictions[1].error.status],
    "inferred": [inferred.model_name, {output.name: output.data for output in inferred.outputs}],
    "models": [model.name for model in list_models.sync(client=client).models],
}))
"""


@pytest.fixture
def document(server):
    return CLIENT.get(f"{server}/docs.json").json()


def test_the_specification_is_kept(document, tmp_path):
    path = tmp_path / "docs.json"
    path.write_text(json.dumps(document))

    run_client(VALIDATE, str(path))


def test_a_generated_client_works(server, document, tmp_path):
    (tmp_path / "docs.json").write_text(json.dumps(document))
    picture = tmp_path / "7.png"
    picture.write_bytes(PNG)
    example, row, tensor = (
        document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["example"]
        for path in ("/hf/{name}", "/v1/models/{name}:predict", "/v2/models/{name}/infer")
    )
    script = GENERATE_AND_ASK
    for name, value in {"EXAMPLE": example, "ROW": row, "TENSOR": tensor}.items():
        script = script.replace(name, repr(value))

    told = run_client(script, str(tmp_path), server, str(picture))

    assert told["answers"] == [["7", "digits-mlp"], ["7", "digits-cnn"]]
    status, title, detail = told["problem"]
    assert (status, title) == (422, "Broken picture")
    assert "will not decode" in detail
    assert told["batch"] == ["7", 415]
    assert told["rows"][0] == "7"
    assert told["kserve"] == ["digits-mlp", "7", 422]
    name, outputs = told["inferred"]
    assert (name, outputs["label"], len(outputs["probabilities"])) == ("digits-cnn", ["7"], 3)
    assert len(told["rows"]) == example["parameters"]["top_k"]
    assert {"digits-cnn", "cars-transfer"} <= set(told["models"])
