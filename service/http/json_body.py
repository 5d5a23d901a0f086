"""JSON in bodies: parsed within limits, as strictly as RFC 8259 has it."""

from typing import Any

from pydantic_core import from_json

from service.errors import Malformed, TooLarge

MAX_VALUES = 2**20
"""In one body. A list takes 64 bytes of memory for two of text, and the loop waits while they are read."""


def parse_json(body: bytes) -> Any:
    """The value in a body.

    Raises:
        Malformed: It is no JSON, has NaN or infinity in it, or is nested some hundreds deep.
        TooLarge: It may have more than MAX_VALUES numbers, strings, lists and objects in it.
    """
    if len(body) > MAX_VALUES and body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_VALUES:
        raise TooLarge(
            f"The JSON has more than {MAX_VALUES:,} values; send less, or numbers in a binary form."
        )
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
