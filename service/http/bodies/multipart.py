"""Multipart forms, part by part, while they arrive (RFC 7578, RFC 2046 section 5.1).

The parsing is `multipart`'s PushMultipartParser, chosen for its speed and its limits (docs/decisions/0018).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser

from service.errors import Malformed, TooLarge

MAX_PART_HEADER_BYTES = 8 * 2**10
"""Of one header line of a part."""

MAX_BOUNDARY_BYTES = 70
"""RFC 2046, section 5.1.1."""


@dataclass(frozen=True, slots=True)
class Part:
    """A field of the form: its name, and its bytes as they were sent."""

    name: str
    content: bytes


class FormReader:
    """Turns chunks of a body into the parts of a form."""

    def __init__(self, boundary: bytes, max_parts: int, max_part_bytes: int) -> None:
        """Start with an empty form.

        Args:
            boundary: From the Content-Type.
            max_parts: Parts that the form may have.
            max_part_bytes: Bytes that the content of one part may have.

        Raises:
            Malformed: There is no boundary, or not a valid one.
        """
        if not boundary:
            raise Malformed("The multipart/form-data Content-Type names no boundary; let the client set it.")
        if len(boundary) > MAX_BOUNDARY_BYTES:
            raise Malformed(f"The boundary of the multipart form has more than {MAX_BOUNDARY_BYTES} bytes.")
        self._max_part_bytes = max_part_bytes
        self._name = ""
        self._content: list[bytes] = []
        try:
            self._parser = _Parser(
                boundary,
                max_header_size=MAX_PART_HEADER_BYTES,
                max_segment_size=max_part_bytes,
                max_segment_count=max_parts,
                # Any byte is a character: file names come in every encoding, and only ASCII names matter.
                header_charset="latin-1",
            )
        except MultipartError as error:
            raise _malformed(error) from None

    def feed(self, chunk: bytes) -> Iterator[Part]:
        """Yield the parts that this chunk completes.

        Raises:
            Malformed: The bytes are not a form.
            TooLarge: There are more parts than allowed, or larger ones.
        """
        if not chunk:
            return  # to the parser an empty chunk is the end of the form
        try:
            for event in self._parser.parse(chunk):
                if event is None:
                    content = self._content[0] if len(self._content) == 1 else b"".join(self._content)
                    self._content = []
                    yield Part(self._name, content)
                elif isinstance(event, MultipartSegment):
                    self._name = _name_of(event)
                else:
                    self._content.append(event)
        except ParserLimitReached as error:
            raise self._limit_reached(error) from None
        except MultipartError as error:
            raise _malformed(error) from None

    def close(self) -> None:
        """End the form.

        Raises:
            Malformed: The closing boundary is missing.
        """
        try:
            self._parser.close()
        except MultipartError:
            raise Malformed("The multipart form ends before its closing boundary; send all of it.") from None

    def _limit_reached(self, error: ParserLimitReached) -> Malformed | TooLarge:
        limit = str(error)
        if "header" in limit:
            return _malformed(error)
        if "count" in limit:
            return TooLarge("The multipart form has more parts than an upload needs.")
        return TooLarge(f"One picture has at most {self._max_part_bytes:,} bytes here; send a smaller one.")


class _Parser(PushMultipartParser):  # type: ignore[misc]  # not typed
    def _create_segment(self, headerlist: list[tuple[str, str]]) -> MultipartSegment:
        """As the library's, but a part without a name is one to ignore, not an error."""
        return MultipartSegment(headerlist)


def _name_of(segment: MultipartSegment) -> str:
    # Of two names, another reader might take the other one.
    if sum(name == "Content-Disposition" for name, _ in segment.headerlist) > 1:
        raise Malformed("The multipart form is malformed: a part has two Content-Disposition headers.")
    return segment.name or ""


def _malformed(error: MultipartError) -> Malformed:
    reason = str(error)
    return Malformed(f"The multipart form is malformed: {reason[:1].lower()}{reason[1:]}.")
