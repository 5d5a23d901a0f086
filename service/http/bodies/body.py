"""From an HTTP body to pictures: counted as it arrives, in memory, never on disk.

BentoML's own reading fetches URLs out of file fields, unpickles some bodies and has no limit
(docs/decisions/0003). This one knows a multipart form and a bare picture.
"""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from python_multipart.multipart import parse_options_header

from models.image.decode import pixel_count
from service.errors import Malformed, TooLarge
from service.http.asgi_types import Receive
from service.http.bodies.multipart import FormReader
from service.http.bodies.upload_budget import Reservation
from service.http.disconnect import ClientDisconnected

MAX_PARTS = 16
"""Parts in the form of one picture: an upload needs two, browsers send a few more."""

MAX_BATCH_PICTURES = 256
"""Pictures in one request."""

MAX_FIELD_BYTES = 16 * 2**10
"""Of a field that is not a picture."""


UNTYPED = (b"", b"application/x-www-form-urlencoded")
"""What many clients send for bytes: nothing, and `curl --data-binary` the type of a form."""


@dataclass(frozen=True, slots=True)
class Form:
    """One upload.

    Attributes:
        image: The bytes of the picture.
        model: The name of a model; None for the default.
    """

    image: bytes
    model: str | None


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What is known of a request before its body.

    Attributes:
        headers: Values by name in lower case.
        query: The query string, still encoded.
    """

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


async def read_form(head: RequestHead, receive: Receive, reservation: Reservation) -> Form:
    """Read a multipart form with `image` and optionally `model`, or a bare picture with ?model=.

    Bytes without a type, or with the one that curl gives to any, are looked at.

    Raises:
        Malformed: The body is neither, or a field is missing or repeated.
        TooLarge: The body has more bytes than were reserved.
        Overloaded: All bodies together have more bytes than the upload budget.
        ClientDisconnected: The body breaks off.
    """
    _check_declared_length(head, reservation)
    content_type, options = head.content_type
    body = _chunks(receive, reservation)
    if content_type == b"multipart/form-data":
        reader = FormReader(options.get(b"boundary", b""), MAX_PARTS, reservation.limit)
        fields: dict[str, bytes] = {}
        async for chunk in body:
            for part in reader.feed(chunk):
                if part.name in fields:
                    raise Malformed(f"The field `{part.name}` is there twice; send it once.")
                if part.name in ("image", "model"):
                    fields[part.name] = part.content
        reader.close()
        if "image" not in fields:
            raise Malformed(
                "The field `image` is missing; send the picture in it (curl -F image=@picture.jpg)."
            )
        return Form(fields["image"], _text(fields.get("model")) or head.model)
    is_declared = content_type.startswith(b"image/") or content_type == b"application/octet-stream"
    if is_declared or content_type in UNTYPED:
        image = b"".join([chunk async for chunk in body])
        if is_declared or pixel_count(image) is not None:
            return Form(image, head.model)
    raise Malformed(
        "Send the picture as the field `image` of a multipart/form-data form (curl -F"
        " image=@picture.jpg), or as the body with its own type (Content-Type: image/jpeg)."
    )


async def read_pictures(
    head: RequestHead, receive: Receive, reservation: Reservation, max_picture_bytes: int
) -> AsyncIterator[Form]:
    """Yield the pictures of a form with `images` repeated, each as soon as it is complete.

    `model` names the model of the pictures behind it; clients put it first, or into ?model=.

    Args:
        head: Of the request.
        receive: Of the request.
        reservation: Takes the bytes of the whole body.
        max_picture_bytes: Bytes that one picture may have.

    Raises:
        Malformed: The body is not such a form; also after some pictures.
        TooLarge: There are too many pictures or bytes.
        Overloaded: All bodies together have more bytes than the upload budget.
        ClientDisconnected: The body breaks off.
    """
    _check_declared_length(head, reservation)
    content_type, options = head.content_type
    if content_type != b"multipart/form-data":
        raise Malformed(
            "Send the pictures as the field `images`, repeated, of a multipart/form-data form"
            " (curl -F images=@one.jpg -F images=@two.jpg)."
        )
    reader = FormReader(options.get(b"boundary", b""), MAX_BATCH_PICTURES + MAX_PARTS, max_picture_bytes)
    model, count = head.model, 0
    async for chunk in _chunks(receive, reservation):
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


async def read_body(head: RequestHead, receive: Receive, reservation: Reservation) -> bytes:
    """Read all of a small body, whatever it is.

    Raises:
        TooLarge: It has more bytes than were reserved.
        Overloaded: All bodies together have more bytes than the upload budget.
        ClientDisconnected: The body breaks off.
    """
    _check_declared_length(head, reservation)
    return b"".join([chunk async for chunk in _chunks(receive, reservation)])


def _check_declared_length(head: RequestHead, reservation: Reservation) -> None:
    """Refuse a body by its Content-Length, before any of it has to travel."""
    declared = head.headers.get(b"content-length", b"")
    if declared.isdigit():
        reservation.check(int(declared))


async def _chunks(receive: Receive, reservation: Reservation) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnected
        chunk = message.get("body", b"")
        reservation.take(len(chunk))
        yield chunk
        if not message.get("more_body", False):
            return


def _text(value: bytes | None) -> str | None:
    """The text of a form field, None where it is empty.

    BentoML's clients send form values as JSON ("digits-cnn", null), all others send them as they are.

    Raises:
        Malformed: It is too long for the name of a model.
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
