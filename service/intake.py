"""From an HTTP body to a form: bytes are counted as they come, kept in memory, never on disk.

BentoML's own reading would fetch a URL from a file field, unpickle some bodies and has no limit
(docs/decisions/0003); this one knows three things: a multipart form, a bare picture, and no.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from service.errors import Malformed, TooLarge

Receive = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(frozen=True)
class Form:
    """image: the bytes of the picture. model: None where none was named."""

    image: bytes
    model: str | None


async def read_form(request: Request, max_bytes: int) -> Form:
    """A multipart form with `image` and optionally `model`, or a bare picture with ?model=.

    Raises Malformed or TooLarge.
    """
    content_type, options = parse_options_header(request.headers.get("content-type", ""))
    body = await _read_body(request, max_bytes)
    if content_type == b"multipart/form-data":
        return _form(_parts(body, options.get(b"boundary", b"")))
    if content_type.startswith(b"image/") or content_type == b"application/octet-stream":
        return Form(body, request.query_params.get("model"))
    raise Malformed(
        "Send the picture as the field `image` of a multipart/form-data form (curl -F"
        " image=@picture.jpg), or as the body with its own type (Content-Type: image/jpeg)."
    )


async def _read_body(request: Request, max_bytes: int) -> bytes:
    too_large = f"The request is larger than {max_bytes:,} bytes; scale the picture down."
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise TooLarge(too_large)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise TooLarge(too_large)
    return bytes(body)


@dataclass
class _Part:
    header: bytearray = field(default_factory=bytearray)
    disposition: bytes = b""
    content: bytearray = field(default_factory=bytearray)

    @property
    def name(self) -> str:
        _, options = parse_options_header(self.disposition)
        return options.get(b"name", b"").decode("utf-8", "replace")


def _parts(body: bytes, boundary: bytes) -> list[_Part]:
    if not boundary:
        raise Malformed("The multipart/form-data Content-Type names no boundary; let the client set it.")
    parts: list[_Part] = []
    ended = False
    header_value = bytearray()

    def on_part_begin() -> None:
        parts.append(_Part())

    def on_header_field(data: bytes, start: int, end: int) -> None:
        parts[-1].header += data[start:end]

    def on_header_value(data: bytes, start: int, end: int) -> None:
        header_value.extend(data[start:end])

    def on_header_end() -> None:
        part = parts[-1]
        if part.header.lower() == b"content-disposition":
            part.disposition = bytes(header_value)
        part.header.clear()
        header_value.clear()

    def on_part_data(data: bytes, start: int, end: int) -> None:
        parts[-1].content += data[start:end]

    def on_end() -> None:
        nonlocal ended
        ended = True

    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": on_part_begin,
                "on_header_field": on_header_field,
                "on_header_value": on_header_value,
                "on_header_end": on_header_end,
                "on_part_data": on_part_data,
                "on_end": on_end,
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise Malformed(f"The multipart form is malformed: {error}.") from error
    if not ended:
        raise Malformed("The multipart form ends before its closing boundary; send all of it.")
    return parts


def _form(parts: list[_Part]) -> Form:
    named: dict[str, bytes] = {}
    for part in parts:
        if part.name not in ("image", "model"):
            continue
        if part.name in named:
            raise Malformed(f"The field `{part.name}` is there twice; send it once.")
        named[part.name] = bytes(part.content)
    if "image" not in named:
        raise Malformed("The field `image` is missing; send the picture in it (curl -F image=@picture.jpg).")
    return Form(named["image"], _text(named.get("model")))


def _text(value: bytes | None) -> str | None:
    """BentoML's clients send form values as JSON ("digits-cnn", null), everybody else as they are."""
    if value is None:
        return None
    text = value.decode("utf-8", "replace").strip()
    if text.startswith('"') or text == "null":
        try:
            decoded = json.loads(text)
        except json.JSONDecodeError:
            return text
        return decoded if isinstance(decoded, str) else None
    return text or None
