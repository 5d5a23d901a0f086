"""The answer to an inference request: the outputs that it asked for, in JSON or behind it.

Classes in the place of probabilities are Triton's "VALUE:INDEX:LABEL":
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_classification.md
"""

from typing import Any

import numpy as np
from pydantic_core import to_json
from starlette.responses import Response

from models.card import Card, ClassifierCard, Outputs
from service.protocols.open_inference.request import InferRequest, RequestedOutput
from service.protocols.open_inference.tensors import OutputTensor


def infer_response(request: InferRequest, card: Card, outputs: Outputs) -> Response:
    """$inference_response, with the binary data behind it.

    Args:
        request: What was asked for.
        card: Of the model.
        outputs: Those of the graph, each (N, ...).
    """
    described: list[dict[str, Any]] = []
    behind: list[bytes] = []
    for requested in request.outputs:
        tensor = _tensor(requested, card, outputs)
        one: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
        if requested.is_binary:
            behind.append(data := tensor.as_bytes())
            one["parameters"] = {"binary_data_size": len(data)}
        else:
            one["data"] = tensor.as_list()
        described.append(one)
    answer: dict[str, Any] = {"model_name": card.name, "model_version": card.version, "outputs": described}
    if request.id is not None:
        answer["id"] = request.id
    head = to_json(answer)
    if not behind:
        return Response(head, media_type="application/json")
    headers = {"Inference-Header-Content-Length": str(len(head))}
    return Response(b"".join((head, *behind)), 200, headers, "application/octet-stream")


def _tensor(requested: RequestedOutput, card: Card, outputs: Outputs) -> OutputTensor:
    name = requested.name
    if requested.classes and isinstance(card, ClassifierCard):
        return _classes(card, outputs, requested.classes)
    if name == "label" and isinstance(card, ClassifierCard):
        best = outputs["probabilities"].argmax(axis=1).tolist()
        return OutputTensor(name, "BYTES", (len(best),), [card.labels[index] for index in best])
    if name == "familiar":
        familiar = outputs["familiarity"] >= card.familiarity_threshold
        return OutputTensor(name, "BOOL", familiar.shape, familiar)
    return OutputTensor(name, "FP32", outputs[name].shape, outputs[name])


def _classes(card: ClassifierCard, outputs: Outputs, count: int) -> OutputTensor:
    """The most probable classes of each picture, the most probable first; of equals, the first label."""
    probabilities = outputs["probabilities"]
    ranked = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    texts = [
        f"{row[index]:.6f}:{index}:{card.labels[index]}"
        for row, best in zip(probabilities.tolist(), ranked.tolist(), strict=True)
        for index in best
    ]
    return OutputTensor("probabilities", "BYTES", ranked.shape, texts)
