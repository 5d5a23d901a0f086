"""KServe's client of the same protocol, which fills and reads tensors in its own way."""

from tests.support.clients.foreign_clients import run_client
from tests.support.http_calls import PNG

SCRIPT = """
import asyncio, json, sys
import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

async def main():
    client, url = InferenceRESTClient(RESTConfig(protocol="v2", retries=0)), sys.argv[1]
    said = {"ready": [await client.is_server_live(url), await client.is_server_ready(url),
                      await client.is_model_ready(url, "digits-cnn")]}
    for binary in (False, True):
        pixels = InferInput("pixels", [2, 28, 28, 1], "UINT8")
        pixels.set_data_from_numpy(np.zeros((2, 28, 28, 1), np.uint8), binary_data=binary)
        request = InferRequest(model_name="digits-cnn", infer_inputs=[pixels], request_id="order-66")
        answer = await client.infer(url, request, model_name="digits-cnn")
        said[f"binary={binary}"] = [[one.name, list(one.as_numpy().shape)] for one in answer.outputs]
        said["id"] = answer.id
    picture = InferInput("picture", [1], "BYTES")
    picture.set_data_from_numpy(np.array([open(sys.argv[2], "rb").read()], object), binary_data=True)
    outputs = [RequestedOutput("label"), RequestedOutput("probabilities", {"binary_data": True})]
    request = InferRequest(model_name="digits-cnn", infer_inputs=[picture], request_outputs=outputs)
    label, probabilities = (await client.infer(url, request, model_name="digits-cnn")).outputs
    said["label"], said["best"] = label.as_numpy().tolist(), int(probabilities.as_numpy().argmax())
    try:
        await client.infer(url, request, model_name="no-such-model")
    except httpx.HTTPStatusError as error:
        said["error"] = str(error)
    print(json.dumps(said))

asyncio.run(main())
"""


def test_tensors_and_pictures(server, tmp_path):
    (tmp_path / "7.png").write_bytes(PNG)
    said = run_client(SCRIPT, server, str(tmp_path / "7.png"))

    shapes = [["probabilities", [2, 10]], ["familiarity", [2]], ["label", [2]], ["familiar", [2]]]
    assert said["ready"] == [True] * 3
    assert said["binary=False"] == said["binary=True"] == shapes
    assert said["id"] == "order-66"
    assert (said["label"], said["best"]) == (["7"], 7)
    assert "There is no model 'no-such-model' here" in said["error"]  # read from the member `error`
