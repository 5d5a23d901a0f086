"""What /docs.json says of MLflow's scoring protocol."""

from typing import Any

from service.http.openapi.schemas import json_body
from service.protocols.openapi import rows
from service.settings import Settings

TAGS = ["MLflow"]

ERRORS = rows.error_form(
    "MLflowError",
    {"error_code": "BAD_REQUEST", "message": "`instances` must be a list of pictures, one at least."},
)

SPLIT = rows.table({
    "columns": {"type": "array", "items": rows.TEXT},
    "data": {"type": "array", "items": {"type": "array"}},
})  # fmt: skip

SCHEMAS: dict[str, dict[str, Any]] = {
    "MLflowRequest": {
        "type": "object",
        "properties": {
            "instances": rows.PICTURES,
            "inputs": {
                "description": "Pictures, one, or either under a name.",
                "anyOf": [rows.PICTURES, rows.PICTURE],
            },
            "dataframe_split": SPLIT | {"description": "A data frame: its only column is read, or `image`."},
            "dataframe_records": rows.PICTURES | {"description": "The rows of such a data frame."},
            "params": {"type": ["object", "null"], "properties": {"model": rows.MODEL}},
        },
        "minProperties": 1,
    },
    "MLflowError": rows.table({"error_code": rows.TEXT, "message": rows.TEXT}),
}

HEALTH: dict[str, Any] = {
    "tags": TAGS,
    "summary": "200 when requests can be answered, 503 until then",
    "responses": {"200": {"description": "They can; the body is an empty line."}} | ERRORS,
}

VERSION: dict[str, Any] = {
    "tags": TAGS,
    "summary": "The version of MLflow whose forms are read",
    "responses": {
        "200": {"description": "It.", "content": {"text/plain": {"schema": rows.TEXT, "example": "2.0"}}}
    }
    | ERRORS,
}


def invocations(settings: Settings) -> dict[str, Any]:
    """POST /invocations."""
    example = {"dataframe_split": {"columns": ["image"], "data": [[rows.PICTURES_SENT[0]]]}}
    return {
        "tags": TAGS,
        "summary": "Predictions for MLflow",
        "description": "One of `instances`, `inputs`, `dataframe_split` and `dataframe_records` carries the"
        f" pictures. {rows.limits(settings)}",
        "parameters": [rows.MODEL_IN_QUERY],
        "requestBody": {"required": True, "content": json_body(rows.component("MLflowRequest"), example)},
        "responses": {"200": rows.answers([rows.ROWS_ANSWER], rows.ANSWER)} | ERRORS,
    }
