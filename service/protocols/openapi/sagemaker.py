"""What /docs.json says of SageMaker's contract with a container."""

import json
from typing import Any

from service.http.openapi.schemas import json_body
from service.protocols.openapi import rows
from service.settings import Settings

TAGS = ["SageMaker"]
LINES = "application/jsonlines"

ATTRIBUTES = {
    "name": "X-Amzn-SageMaker-Custom-Attributes",
    "in": "header",
    "description": "`model=NAME` chooses a model of GET /models.",
    "schema": rows.TEXT,
}

PING: dict[str, Any] = {
    "tags": TAGS,
    "summary": "200 when requests can be answered, 503 until then",
    "responses": {"200": {"description": "They can; the body is empty, or an empty line."}},
}

EXECUTION_PARAMETERS: dict[str, Any] = {
    "tags": TAGS,
    "summary": "How batch transform shall ask",
    "responses": {
        "200": {
            "description": "Its settings.",
            "content": json_body(
                rows.table({
                    "MaxConcurrentTransforms": {"type": "integer"},
                    "BatchStrategy": {"const": "SINGLE_RECORD"},
                    "MaxPayloadInMB": {"type": "integer"},
                }),
                {"MaxConcurrentTransforms": 16, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 6},
            ),
        }
    },
}  # fmt: skip


def invocations(settings: Settings) -> dict[str, Any]:
    """POST /invocations."""
    instances = rows.table({"instances": rows.PICTURES})
    content = json_body(instances, {"instances": rows.PICTURES_SENT}) | rows.BARE_PICTURE
    answer = rows.answers([rows.ROWS_ANSWER, *rows.BARE_ANSWERS], rows.ANSWER)
    answer["content"] = answer["content"] | {LINES: _lines(rows.PREDICTED, "A prediction on each line.")}
    return {
        "tags": TAGS,
        "summary": "Predictions for SageMaker",
        "description": "Pictures as `instances`, one on each line, or one picture as the whole body; that one"
        f" is answered as by /classify or /price. {rows.limits(settings)}",
        "parameters": [ATTRIBUTES, rows.MODEL_IN_QUERY],
        "requestBody": {
            "required": True,
            "content": content | {LINES: _lines(rows.PICTURES_SENT, "A picture on each line, as JSON.")},
        },
        "responses": {"200": answer},
    }


def _lines(items: list[Any], description: str) -> dict[str, Any]:
    example = "".join(json.dumps(item) + "\n" for item in items)
    return {"schema": rows.TEXT | {"description": description}, "example": example}
