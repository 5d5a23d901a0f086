"""Pieces of OpenAPI that several descriptions need."""

from typing import Any

from pydantic import BaseModel

JSON = "application/json"
BINARY = {"type": "string", "format": "binary"}
REFERENCE = "#/components/schemas/{model}"


def schema(model: type[BaseModel]) -> dict[str, str]:
    """A reference to the schema of a model."""
    return {"$ref": REFERENCE.format(model=model.__name__)}


def json_body(schema: dict[str, Any], example: Any) -> dict[str, Any]:
    """The content of a body in JSON."""
    return {JSON: {"schema": schema, "example": example}}


def readable_bytes(count: int) -> str:
    """A number of bytes as people say it: 32 MiB."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"
