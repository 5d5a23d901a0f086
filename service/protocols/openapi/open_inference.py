"""What /docs.json says of the Open Inference Protocol and of Triton's extensions of it.

RequestInput and the like are what the protocol calls $request_input, and so on:
https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from typing import Any

from service.http.bodies.body import MAX_BATCH_PICTURES
from service.http.openapi.examples import SOURCE
from service.http.openapi.schemas import BINARY, json_body, readable_bytes
from service.protocols.base64_picture import EXAMPLE
from service.protocols.openapi import rows
from service.settings import Settings

TAGS = ["Open Inference Protocol"]
NAME, VERSION = SOURCE["model"], SOURCE["version"]
JSON_LENGTH = "Inference-Header-Content-Length"
WHOLE, BOOLEAN = {"type": "integer"}, {"type": "boolean"}

ERRORS = rows.error_form(
    "InferenceError", {"error": "There is no model 'digits-cnnn' here; there are: digits-cnn, digits-mlp."}
)


def _list(items: dict[str, Any], says: str = "") -> dict[str, Any]:
    return {"type": "array", "items": items} | ({"description": says} if says else {})


def _optional(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


TENSOR = {"name": rows.TEXT, "datatype": rows.TEXT, "shape": _list(WHOLE)}
DIMENSIONS = {"name": rows.TEXT, "data_type": rows.TEXT, "dims": _list(WHOLE)}
TENSORS = _list(rows.component("MetadataTensor"))
TIMES = {"success": 4851154, "queue": 264328, "compute_input": 3049969, "compute_infer": 1536857}
DURATIONS = (*TIMES, "fail", "compute_output", "cache_hit", "cache_miss")

INPUT = {
    "name": {"enum": ["picture", "pixels"]},
    "datatype": {"enum": ["BYTES", "UINT8"], "description": "BYTES of `picture`, UINT8 of `pixels`."},
    "shape": _list(WHOLE, "[N] of `picture`; [N, H, W, C] of `pixels`, as the model's metadata say."),
    "data": _list({}, "`picture`: files in base64. `pixels`: numbers from 0 to 255, flat or nested."),
    "parameters": _optional(
        binary_data_size=WHOLE | {"description": "In the place of `data`: the bytes behind the JSON."}
    ),
}
OUTPUT_PARAMETERS = _optional(
    binary_data=BOOLEAN | {"description": "Whether as bytes behind the JSON."},
    classification=WHOLE | {"description": "How many classes, the best, in the place of `probabilities`."},
)
REQUEST = {
    "id": rows.TEXT | {"description": "Your own; the answer returns it."},
    "inputs": _list(rows.component("RequestInput")) | {"minItems": 1, "maxItems": 1},
    "outputs": _list(rows.component("RequestOutput"), "The outputs that you want; all without it."),
    "parameters": _optional(binary_data_output=BOOLEAN | {"description": "All as bytes behind the JSON."}),
}
ANSWERED = {"model_name": rows.TEXT, "model_version": rows.TEXT}
RESPONSE = ANSWERED | {"outputs": _list(rows.component("ResponseOutput")), "id": rows.TEXT}

SCHEMAS: dict[str, dict[str, Any]] = {
    "InferenceRequest": rows.table(REQUEST, ("inputs",)),
    "RequestInput": rows.table(INPUT, ("name", "datatype", "shape")),
    "RequestOutput": rows.table({"name": rows.TEXT, "parameters": OUTPUT_PARAMETERS}, ("name",)),
    "InferenceResponse": rows.table(RESPONSE, (*ANSWERED, "outputs")),
    "ResponseOutput": rows.table(TENSOR | {"data": _list({}, "In one flat list, picture by picture.")}),
    "InferenceError": rows.table({"error": rows.TEXT}),
    "MetadataTensor": rows.table(TENSOR),
    "ModelMetadata": rows.table({
        "name": rows.TEXT,
        "versions": _list(rows.TEXT),
        "platform": rows.TEXT,
        "inputs": TENSORS | {"description": "A request sends one of them."},
        "outputs": TENSORS,
    }),
    "ModelConfiguration": rows.table({
        "name": rows.TEXT,
        "platform": rows.TEXT,
        "backend": rows.TEXT,
        "version_policy": {"type": "object"},
        "max_batch_size": WHOLE | {"description": "Pictures in one run; a request may have more."},
        "input": _list(rows.table(DIMENSIONS | {"optional": BOOLEAN})),
        "output": _list(rows.table(DIMENSIONS)),
        "dynamic_batching": {"type": "object"},
    }),
    "Duration": rows.table({"count": WHOLE, "ns": WHOLE}),
    "ModelStatistics": rows.table({
        "name": rows.TEXT,
        "version": rows.TEXT,
        "inference_count": WHOLE | {"description": "Pictures that were answered."},
        "execution_count": WHOLE | {"description": "Runs of the model."},
        "inference_stats": rows.table(dict.fromkeys(DURATIONS, rows.component("Duration"))),
        "batch_stats": _list({}),
    }),
}  # fmt: skip


def _facts(summary: str, answer: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    response = {"description": "So it is.", "content": json_body(answer, example)}
    return {"tags": TAGS, "summary": summary, "responses": {"200": response} | ERRORS}


def _tensor(name: str, datatype: str, *shape: int, **rest: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": list(shape)} | rest


COUNTED = {
    "name": NAME,
    "version": VERSION,
    "inference_count": 4,
    "execution_count": 4,
    "inference_stats": {name: {"count": 4 * (name in TIMES), "ns": TIMES.get(name, 0)} for name in DURATIONS},
    "batch_stats": [],
}
STATISTICS = rows.table({"model_stats": _list(rows.component("ModelStatistics"))}), {"model_stats": [COUNTED]}

LIVE = _facts("200 while the process runs", rows.table({"live": BOOLEAN}), {"live": True})
READY = _facts("200 when requests can be answered", rows.table({"ready": BOOLEAN}), {"ready": True})
MODEL_READY = _facts(
    "200 when a model can be asked",
    rows.table({"name": rows.TEXT, "ready": BOOLEAN}),
    {"name": NAME, "ready": True},
)
SERVER = _facts(
    "The server's name, version and extensions of the protocol",
    rows.table({"name": rows.TEXT, "version": rows.TEXT, "extensions": _list(rows.TEXT)}),
    {"name": "glimpse", "version": "0.1.0", "extensions": ["binary_tensor_data", "classification"]},
)
MODEL = _facts(
    "The tensors that a model takes and gives",
    rows.component("ModelMetadata"),
    {
        "name": NAME,
        "versions": [VERSION],
        "platform": "onnxruntime_onnx",
        "inputs": [_tensor("pixels", "UINT8", -1, 28, 28, 1), _tensor("picture", "BYTES", -1)],
        "outputs": [_tensor("probabilities", "FP32", -1, 10), _tensor("label", "BYTES", -1)],
    },
)
CONFIGURATION = _facts(
    "The same as Triton's configuration has it",
    rows.component("ModelConfiguration"),
    {
        "name": NAME,
        "platform": "onnxruntime_onnx",
        "backend": "onnxruntime",
        "version_policy": {"latest": {"num_versions": 1}},
        "max_batch_size": 64,
        "input": [{"name": "pixels", "data_type": "TYPE_UINT8", "dims": [28, 28, 1], "optional": True}],
        "output": [{"name": "probabilities", "data_type": "TYPE_FP32", "dims": [10]}],
        "dynamic_batching": {},
    },
)
MODEL_STATISTICS = _facts("Counts and durations of a model since the start", *STATISTICS)
ALL_STATISTICS = _facts("The same of all models", *STATISTICS)


def infer(settings: Settings, most_pixels: int) -> dict[str, Any]:
    """POST /v2/models/NAME/infer.

    Args:
        settings: Its limits are named.
        most_pixels: Pictures that a request may have as pixels.
    """
    limits = (settings.max_upload_bytes, settings.max_json_bytes, settings.max_batch_bytes)
    picture, text, both = map(readable_bytes, limits)
    wanted = [{"name": "label"}, {"name": "probabilities", "parameters": {"classification": 3}}]
    request = {"id": "seven", "inputs": [_tensor("picture", "BYTES", 1, data=[EXAMPLE])], "outputs": wanted}
    classes = ["0.999920:7:7", "0.000033:9:9", "0.000018:4:4"]
    outputs = [
        _tensor("label", "BYTES", 1, data=["7"]),
        _tensor("probabilities", "BYTES", 1, 3, data=classes),
    ]
    answer = {"model_name": NAME, "model_version": VERSION, "outputs": outputs, "id": "seven"}
    length = {"description": "The bytes of JSON in the body.", "schema": WHOLE | {"minimum": 0}}
    content = json_body(rows.component("InferenceResponse"), answer)
    return {
        "tags": TAGS,
        "summary": "Tensors in, tensors out; or a picture in",
        "description": "One input: `picture`, which is files, or `pixels`, as the model's view makes them."
        f" In the binary extension data follow the JSON, and {JSON_LENGTH} says where it ends. A body may"
        f" also be one picture alone. A request has at most {MAX_BATCH_PICTURES} pictures, or"
        f" {most_pixels:,} as pixels, and {text} of JSON, or {both} with data behind it; a picture has at"
        f" most {picture} and {settings.max_pixels / 1e6:g} megapixels. A bad picture spoils them all.",
        "parameters": [{"name": JSON_LENGTH, "in": "header"} | length],
        "requestBody": {
            "required": True,
            "content": json_body(rows.component("InferenceRequest"), request) | rows.BARE_PICTURE,
        },
        "responses": {
            "200": {
                "description": "The outputs; as octets where some are to come behind the JSON.",
                "headers": {JSON_LENGTH: length},
                "content": content | {"application/octet-stream": {"schema": BINARY}},
            }
        }
        | ERRORS,
    }
