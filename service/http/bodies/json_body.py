"""JSON in bodies: parsed within limits, as strictly as RFC 8259 has it."""

from typing import Any

from pydantic_core import from_json

from service.errors import Malformed, TooLarge

MAX_VALUES = 2**20
"""In one body. A list takes 64 bytes of memory for two of text, and the loop waits while they are read."""


def parse_json(body: bytes, max_values: int = MAX_VALUES) -> Any:
    """The value in a body.

    Args:
        body: JSON.
        max_values: Members and items that it may have, however deep; a list takes thirty times its bytes.

    Raises:
        Malformed: It is no JSON, has NaN or infinity in it, or is nested some hundreds deep.
        TooLarge: It has more values. Commas and brackets in strings count as well.
    """
    if len(body) > max_values and sum(map(body.count, (b",", b"[", b"{"))) > max_values:
        raise TooLarge(
            f"The JSON has more than {max_values:,} values; send fewer pictures, or numbers in a binary form."
        )
    try:
        return from_json(body, allow_inf_nan=False, cache_strings="none")
    except ValueError as error:
        raise Malformed(f"The body is not JSON: {error}.") from None


def parse_object(body: bytes, max_values: int = MAX_VALUES) -> dict[str, Any]:
    """The object in a body, as parse_json; an empty body stands for an empty object."""
    value = parse_json(body, max_values) if body else {}
    if not isinstance(value, dict):
        raise Malformed("Send a JSON object.")
    return value
