"""NVIDIA's own clients of the protocol, synchronous and asyncio, each in one session of calls."""

import pytest

from models.model import ZOO, open_model
from tests.support.clients.foreign_clients import run_client
from tests.support.http_calls import PNG
from tests.support.models.files import model_file, put

CARD = open_model(ZOO / "digits-cnn.onnx").card

SYNC = """
import json, sys
import numpy as np
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

address, png = sys.argv[1].removeprefix("http://"), open(sys.argv[2], "rb").read()
client = http.InferenceServerClient(address)
said = {
    "live": client.is_server_live(),
    "ready": client.is_server_ready(),
    "model_ready": [client.is_model_ready("digits-cnn"), client.is_model_ready("no-such-model")],
    "server": client.get_server_metadata(),
    "model": client.get_model_metadata("digits-cnn"),
    "config": client.get_model_config("digits-cnn"),
    "index": [entry["name"] for entry in client.get_model_repository_index()],
}

def tensor(name, array, kind, binary=True):
    made = http.InferInput(name, list(array.shape), kind)
    made.set_data_from_numpy(array, binary_data=binary)
    return made

def lists(result):
    found = {one["name"]: result.as_numpy(one["name"]) for one in result.get_response()["outputs"]}
    return {
        name: [one.decode() for one in values.ravel()] if values.dtype == object else values.tolist()
        for name, values in found.items()
    }

pixels = np.random.default_rng(0).integers(0, 256, (70, 28, 28, 1), np.uint8)
files = np.array([png, png], object)
asked = [http.InferRequestedOutput("probabilities", binary_data=False)]
said["binary"] = lists(client.infer("digits-cnn", [tensor("pixels", pixels, "UINT8")]))
two = tensor("pixels", pixels[:2], "UINT8", binary=False)
said["json"] = lists(client.infer("digits-cnn", [two], outputs=asked))
said["files"] = lists(client.infer("digits-cnn", [tensor("picture", files, "BYTES")]))
said["column"] = lists(client.infer("digits-cnn", [tensor("picture", files[:, None], "BYTES")]))
one = client.infer("digits-cnn", [tensor("picture", files, "BYTES")], request_id="order-66", outputs=[
    http.InferRequestedOutput("probabilities", class_count=3), http.InferRequestedOutput("familiar")
], model_version=said["model"]["versions"][0])
said["classes"], said["id"] = lists(one), one.get_response()["id"]
for how in ("gzip", "deflate"):
    said[how] = lists(client.infer(
        "digits-cnn", [tensor("picture", files, "BYTES")], request_compression_algorithm=how
    ))
many = [client.async_infer("digits-cnn", [tensor("pixels", pixels[:n], "UINT8")]) for n in (1, 2, 3)]
said["async"] = [len(request.get_result().as_numpy("label")) for request in many]
said["price"] = lists(client.infer("cars-mlp", [tensor("picture", files[:1], "BYTES")]))

def refused(*arguments, **options):
    try:
        client.infer(*arguments, **options)
    except InferenceServerException as error:
        return [error.status(), error.message()]

said["errors"] = {
    "shape": refused("digits-cnn", [tensor("pixels", pixels[:, :20], "UINT8")]),
    "datatype": refused("digits-cnn", [tensor("pixels", pixels.astype(np.float32), "FP32")]),
    "model": refused("no-such-model", [tensor("pixels", pixels, "UINT8")]),
    "version": refused("digits-cnn", [tensor("pixels", pixels, "UINT8")], model_version="1"),
    "output": refused("digits-cnn", [tensor("pixels", pixels, "UINT8")],
                      outputs=[http.InferRequestedOutput("logits")]),
    "file": refused("digits-cnn", [tensor("picture", np.array([png, b"text"], object), "BYTES")]),
}
said["statistics"] = client.get_inference_statistics("digits-cnn")
said["all"] = sorted(one["name"] for one in client.get_inference_statistics()["model_stats"])
print(json.dumps(said))
"""

ASYNCIO = """
import asyncio, json, sys
import numpy as np
import tritonclient.http.aio as http
from tritonclient.utils import InferenceServerException

async def main():
    files = np.array([open(sys.argv[2], "rb").read()] * 3, object)
    async with http.InferenceServerClient(sys.argv[1].removeprefix("http://")) as client:
        picture = http.InferInput("picture", [3], "BYTES")
        picture.set_data_from_numpy(files)
        answers = await asyncio.gather(*(client.infer("digits-cnn", [picture]) for _ in range(8)))
        said = {
            "ready": [await client.is_server_live(), await client.is_server_ready(),
                      await client.is_model_ready("digits-cnn")],
            "extensions": (await client.get_server_metadata())["extensions"],
            "labels": [one.decode() for answer in answers for one in answer.as_numpy("label")],
            "stats": (await client.get_inference_statistics("digits-cnn"))["model_stats"][0]["name"],
        }
        try:
            await client.infer("no-such-model", [picture])
        except InferenceServerException as error:
            said["refused"] = error.status()
    print(json.dumps(said))

asyncio.run(main())
"""

CONTROL = """
import json, sys
import tritonclient.http as http
from tritonclient.utils import InferenceServerException

client = http.InferenceServerClient(sys.argv[1].removeprefix("http://"))
client.load_model("told")
said = {"loaded": client.is_model_ready("told"), "extensions": client.get_server_metadata()["extensions"]}
client.unload_model("told")
said["unloaded"] = client.is_model_ready("told")
try:
    client.load_model("never-there")
except InferenceServerException as error:
    said["refused"] = error.status()
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("picture") / "7.png"
    path.write_bytes(PNG)
    return str(path)


def test_the_synchronous_client(server, picture):
    said = run_client(SYNC, server, picture)

    assert (said["live"], said["ready"], said["model_ready"]) == (True, True, [True, False])
    assert said["server"]["extensions"] == [
        "binary_tensor_data", "classification", "model_configuration", "statistics"
    ]  # fmt: skip
    assert said["model"]["versions"] == [CARD.version]
    assert said["config"]["input"][0]["dims"] == [28, 28, 1]
    assert "digits-cnn" in said["index"]

    assert [len(said["binary"][name]) for name in ("probabilities", "label", "familiar")] == [70] * 3
    assert set(said["json"]) == {"probabilities"}
    for row, same in zip(said["json"]["probabilities"], said["binary"]["probabilities"], strict=False):
        assert row == pytest.approx(same, abs=1e-5)
    assert said["files"]["label"] == ["7", "7"]
    assert said["column"] == said["files"] == said["gzip"] == said["deflate"]
    assert said["id"] == "order-66"
    assert said["classes"]["familiar"] == [True, True]
    best = said["classes"]["probabilities"]
    assert len(best) == 6
    assert float(best[0].split(":")[0]) == pytest.approx(said["files"]["probabilities"][0][7], abs=1e-5)
    assert best[0].endswith(":7:7")
    assert said["async"] == [1, 2, 3]
    assert said["price"]["low"] <= said["price"]["value"] <= said["price"]["high"]

    assert {name: status for name, (status, _) in said["errors"].items()} == {
        "shape": "400", "datatype": "400", "model": "404", "version": "404", "output": "400", "file": "415"
    }  # fmt: skip
    assert "picture[1]" in said["errors"]["file"][1]
    counted = said["statistics"]["model_stats"][0]
    assert counted["inference_count"] >= 70
    assert counted["inference_stats"]["success"]["ns"] > counted["inference_stats"]["compute_infer"]["ns"] > 0
    assert {"digits-cnn", "cars-mlp"} <= set(said["all"])


def test_the_asyncio_client(server, picture):
    said = run_client(ASYNCIO, server, picture)

    assert said["ready"] == [True] * 3
    assert said["labels"] == ["7"] * 24
    assert (said["stats"], said["refused"]) == ("digits-cnn", "404")
    assert "statistics" in said["extensions"]


@pytest.mark.slow
def test_models_are_loaded_and_unloaded(swapping):
    url, zoo = swapping
    put(zoo, "told", model_file("told", "1"))
    said = run_client(CONTROL, url)

    assert (said["loaded"], said["unloaded"], said["refused"]) == (True, False, "404")
    assert "model_repository" in said["extensions"]
