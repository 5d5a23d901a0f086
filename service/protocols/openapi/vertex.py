"""What /docs.json says of Vertex AI's two paths."""

from typing import Any

from service.http.openapi.schemas import json_body
from service.protocols.openapi import rows
from service.settings import Settings

TAGS = ["Vertex AI"]

ERRORS = rows.error_form(
    "VertexError",
    {
        "error": {
            "code": 400,
            "message": "`instances` must be a list of pictures, one at least.",
            "status": "INVALID_ARGUMENT",
        }
    },
)

SCHEMAS: dict[str, dict[str, Any]] = {
    "VertexRequest": rows.table(
        {
            "instances": rows.PICTURES,
            "parameters": {
                "type": ["object", "null"],
                "properties": {"model": rows.MODEL},
                "description": "Others than `model` are passed over.",
            },
        },
        required=("instances",),
    ),
    "VertexPredictions": rows.table({"predictions": rows.PREDICTIONS}),
    "VertexError": rows.table({
        "error": rows.table({"code": {"type": "integer"}, "message": rows.TEXT, "status": rows.TEXT})
    }),
}  # fmt: skip

HEALTH: dict[str, Any] = {
    "tags": TAGS,
    "summary": "200 when requests can be answered, 503 until then",
    "responses": {"200": {"description": "They can; the body is empty."}},
}


def predict(settings: Settings) -> dict[str, Any]:
    """POST AIP_PREDICT_ROUTE."""
    content = (
        json_body(rows.component("VertexRequest"), {"instances": rows.PICTURES_SENT}) | rows.BARE_PICTURE
    )
    answers = [rows.component("VertexPredictions"), *rows.BARE_ANSWERS]
    return {
        "tags": TAGS,
        "summary": "Predictions for Vertex AI",
        "description": "Pictures as `instances`, or one picture as the whole body, as rawPredict sends it;"
        f" that one is answered as by /classify or /price. {rows.limits(settings)}",
        "parameters": [rows.MODEL_IN_QUERY],
        "requestBody": {"required": True, "content": content},
        "responses": {"200": rows.answers(answers, {"predictions": rows.PREDICTED})} | ERRORS,
    }
