"""From an HTTP body to pictures: bytes are counted as they come, kept in memory, never on disk.

BentoML's own reading would fetch a URL from a file field, unpickle some bodies and has no limit
(docs/decisions/0003); this one knows three things: a multipart form, a bare picture, and no.
"""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from python_multipart.multipart import parse_options_header

from service.errors import Malformed, TooLarge
from service.http.asgi_types import Receive
from service.http.disconnect import ClientGone
from service.http.multipart import FormReader
from service.http.upload_budget import Reservation

MAX_PARTS = 16
"""Parts in the form of one picture, at most: a form of a thousand fields is no upload."""

MAX_BATCH_PICTURES = 256
"""Pictures in one request, at most."""

MAX_FIELD_BYTES = 16 * 2**10
"""Bytes of a field that is no picture, at most."""


@dataclass(frozen=True, slots=True)
class Form:
    """image: the bytes of the picture. model: None where none was named."""

    image: bytes
    model: str | None


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What is known of a request before its body. headers: names in lower case."""

    headers: Mapping[bytes, bytes]
    query: bytes

    @property
    def content_type(self) -> tuple[bytes, Mapping[bytes, bytes]]:
        """The media type in lower case, and its parameters."""
        return parse_options_header(self.headers.get(b"content-type"))

    @property
    def model(self) -> str | None:
        """The model that the query names."""
        names = parse_qs(self.query.decode("ascii", "replace")).get("model") if self.query else None
        return names[0] if names else None


async def read_form(head: RequestHead, receive: Receive, share: Reservation) -> Form:
    """A multipart form with `image` and optionally `model`, or a bare picture with ?model=.

    share: takes the body's bytes. Raises Malformed, TooLarge, Overloaded or ClientGone.
    """
    _bound(head, share)
    content_type, options = head.content_type
    body = _body(receive, share)
    if content_type == b"multipart/form-data":
        reader = FormReader(options.get(b"boundary", b""), MAX_PARTS, share.limit)
        named: dict[str, bytes] = {}
        async for chunk in body:
            for part in reader.feed(chunk):
                if part.name in named:
                    raise Malformed(f"The field `{part.name}` is there twice; send it once.")
                if part.name in ("image", "model"):
                    named[part.name] = part.content
        reader.close()
        if "image" not in named:
            raise Malformed(
                "The field `image` is missing; send the picture in it (curl -F image=@picture.jpg)."
            )
        return Form(named["image"], _text(named.get("model")) or head.model)
    if content_type.startswith(b"image/") or content_type == b"application/octet-stream":
        return Form(b"".join([chunk async for chunk in body]), head.model)
    raise Malformed(
        "Send the picture as the field `image` of a multipart/form-data form (curl -F"
        " image=@picture.jpg), or as the body with its own type (Content-Type: image/jpeg)."
    )


async def read_pictures(
    head: RequestHead, receive: Receive, share: Reservation, picture_bytes: int
) -> AsyncIterator[Form]:
    """The pictures of a multipart form with `images` repeated, each as soon as all of it is here.

    `model` names the model of the pictures behind it; clients put it first, or into ?model=.
    share: takes the body's bytes. picture_bytes: of one picture, at most.
    Raises Malformed, TooLarge, Overloaded or ClientGone, also after some pictures.
    """
    _bound(head, share)
    content_type, options = head.content_type
    if content_type != b"multipart/form-data":
        raise Malformed(
            "Send the pictures as the field `images`, repeated, of a multipart/form-data form"
            " (curl -F images=@one.jpg -F images=@two.jpg)."
        )
    reader = FormReader(options.get(b"boundary", b""), MAX_BATCH_PICTURES + MAX_PARTS, picture_bytes)
    model, count = head.model, 0
    async for chunk in _body(receive, share):
        for part in reader.feed(chunk):
            if part.name == "model":
                if count:
                    raise Malformed("The field `model` comes after pictures; send it before them.")
                model = _text(part.content) or model
            elif part.name == "images":
                count += 1
                if count > MAX_BATCH_PICTURES:
                    raise TooLarge(f"One request takes at most {MAX_BATCH_PICTURES} pictures; send several.")
                yield Form(part.content, model)
    reader.close()
    if not count:
        raise Malformed(
            "The field `images` is missing; send the pictures in it (curl -F images=@one.jpg -F"
            " images=@two.jpg)."
        )


async def read_body(head: RequestHead, receive: Receive, share: Reservation) -> bytes:
    """All of a small body, whatever it is. Raises TooLarge, Overloaded or ClientGone."""
    _bound(head, share)
    return b"".join([chunk async for chunk in _body(receive, share)])


def _bound(head: RequestHead, share: Reservation) -> None:
    """Refuses a body by its declared length, before any of it has to travel."""
    declared = head.headers.get(b"content-length", b"")
    if declared.isdigit():
        share.check(int(declared))


async def _body(receive: Receive, share: Reservation) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        share.take(len(chunk))
        yield chunk
        if not message.get("more_body", False):
            return


def _text(value: bytes | None) -> str | None:
    """BentoML's clients send form values as JSON ("digits-cnn", null), everybody else as they are.

    Raises Malformed where it is too long to be one.
    """
    if value is None:
        return None
    if len(value) > MAX_FIELD_BYTES:
        raise Malformed(
            f"A field that is no picture has at most {MAX_FIELD_BYTES:,} bytes; name a model there."
        )
    text = value.decode("utf-8", "replace").strip()
    if text.startswith('"') or text == "null":
        try:
            decoded = json.loads(text)
        except json.JSONDecodeError:
            return text
        return decoded if isinstance(decoded, str) else None
    return text or None
