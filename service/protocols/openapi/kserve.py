"""What /docs.json says of KServe's protocol v1, which is TensorFlow Serving's REST API."""

from typing import Any

from service.answers import PictureProblem
from service.http.openapi.examples import PRICE_FACTS, PRICE_SOURCE, SOURCE
from service.http.openapi.schemas import json_body, schema
from service.protocols.openapi import rows
from service.settings import Settings

TAGS = ["KServe and TensorFlow Serving"]
NAME, VERSION = SOURCE["model"], SOURCE["version"]

ERRORS = rows.error_form(
    "KServeError", {"error": "There is no model 'digits-cnnn' here; there are: digits-cnn, digits-mlp."}
)

ASKS = {
    "predict": "What any model says of each picture",
    "classify": "What is on each picture",
    "regress": "What each car costs",
}

RESULT = {
    "anyOf": [
        {"type": "array", "items": {"type": "array", "items": {"type": ["string", "number"]}}},
        {"type": "number"},
        schema(PictureProblem),
    ]
}

SCHEMAS: dict[str, dict[str, Any]] = {
    "KServeRequest": {
        "type": "object",
        "properties": {
            "instances": rows.PICTURES | {"description": "Pictures; the answer has `predictions`."},
            "inputs": {
                "description": "Pictures, one, or either under a name; the answer has `outputs`.",
                "anyOf": [rows.PICTURES, rows.PICTURE],
            },
            "examples": rows.PICTURES | {"description": "Pictures; the answer has `results`."},
        },
        "minProperties": 1,
    },
    "KServeOutputs": rows.table(
        {"outputs": rows.PREDICTIONS, "model": rows.TEXT, "version": rows.TEXT}
    ),
    "KServeResults": rows.table({
        "results": {
            "type": "array",
            "description": "Of `examples`: pairs of a label and its probability, a price, or an error.",
            "items": RESULT,
        }
    }),
    "KServeError": rows.table({"error": rows.TEXT}),
}  # fmt: skip

ANSWERS = [rows.ROWS_ANSWER, rows.component("KServeOutputs"), rows.component("KServeResults")]


def models() -> dict[str, Any]:
    """GET /v1/models."""
    names = rows.table({"models": {"type": "array", "items": rows.TEXT}})
    return _facts("The names of all models", names, {"models": ["cars-transfer", NAME]})


def status() -> dict[str, Any]:
    """GET /v1/models/NAME."""
    version = rows.table({
        "version": rows.TEXT,
        "state": {"const": "AVAILABLE"},
        "status": rows.table({"error_code": rows.TEXT, "error_message": rows.TEXT}),
    })  # fmt: skip
    properties = {
        "name": rows.TEXT,
        "ready": {"type": "boolean"},
        "model_version_status": {"type": "array", "items": version},
    }
    state = {"error_code": "OK", "error_message": ""}
    versions = [{"version": VERSION, "state": "AVAILABLE", "status": state}]
    example = {"name": NAME, "ready": True, "model_version_status": versions}
    return _facts("Whether a model can be asked, and its version", rows.table(properties), example)


def metadata() -> dict[str, Any]:
    """GET /v1/models/NAME/metadata."""
    spec = rows.table({"name": rows.TEXT, "signature_name": rows.TEXT, "version": rows.TEXT})
    properties = {
        "model_spec": spec,
        "metadata": {"type": "object", "description": "The signature: its `inputs` and `outputs`."},
    }
    image = {"dtype": "DT_STRING", "tensor_shape": {"dim": [{"size": "-1", "name": ""}]}, "name": "image"}
    signature = {"inputs": {"image": image}, "method_name": "tensorflow/serving/predict"}
    example = {
        "model_spec": {"name": NAME, "signature_name": "", "version": VERSION},
        "metadata": {"signature_def": {"signature_def": {"serving_default": signature}}},
    }
    return _facts(
        "What a model takes and tells, as TensorFlow Serving puts it", rows.table(properties), example
    )


def asking(verb: str, settings: Settings) -> dict[str, Any]:
    """POST /v1/models/NAME:VERB.

    Args:
        verb: predict, classify or regress.
        settings: Its limits and default models are named.
    """
    example, parameters = rows.ANSWER, {}
    if verb == "regress":
        source = {"model": PRICE_SOURCE["model"], "version": PRICE_SOURCE["version"]}
        example = source | {"predictions": [PRICE_FACTS, *rows.PREDICTED[1:]]}
        name = {"description": "A regressor of GET /models.", "example": settings.default_regressor}
        parameters = {
            "parameters": [{"name": "name", "in": "path", "required": True, "schema": rows.TEXT} | name]
        }
    return parameters | {
        "tags": TAGS,
        "summary": ASKS[verb],
        "description": "One of `instances`, `inputs` and `examples` carries the pictures."
        f" {rows.limits(settings)}",
        "requestBody": {
            "required": True,
            "content": json_body(rows.component("KServeRequest"), {"instances": rows.PICTURES_SENT}),
        },
        "responses": {"200": rows.answers(ANSWERS, example)} | ERRORS,
    }


def _facts(summary: str, answer: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    response = {"description": "So it is.", "content": json_body(answer, example)}
    return {"tags": TAGS, "summary": summary, "responses": {"200": response} | ERRORS}
