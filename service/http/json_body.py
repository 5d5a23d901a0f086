"""JSON in bodies: parsed within limits, as strictly as RFC 8259 has it."""

from typing import Any

from pydantic_core import from_json

from service.errors import Malformed


def parse_json(body: bytes) -> Any:
    """The value in a body.

    Raises:
        Malformed: It is no JSON, has NaN or infinity in it, or is nested some hundreds deep.
    """
    try:
        return from_json(body, allow_inf_nan=False, cache_strings="none")
    except ValueError as error:
        raise Malformed(f"The body is not JSON: {error}.") from None


def parse_object(body: bytes) -> dict[str, Any]:
    """The object in a body; an empty body stands for an empty object. Raises Malformed."""
    value = parse_json(body) if body else {}
    if not isinstance(value, dict):
        raise Malformed("Send a JSON object.")
    return value
