"""Multipart forms, part by part, while they arrive (RFC 7578, RFC 2046 section 5.1).

Our own because of its price on small pictures: a third of python-multipart's (docs/log.md). Strict
where clients agree, so that no two readers can see two different forms in the same bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header

from service.errors import Malformed, TooLarge

PART_HEADERS = 8 * 2**10
"""Bytes of one part's headers, at most."""

BOUNDARY = 70
"""Bytes of a boundary, at most (RFC 2046)."""


@dataclass(frozen=True, slots=True)
class Part:
    """A field of the form: its name, and its bytes as they were sent."""

    name: str
    content: bytes


class FormReader:
    """Fed with chunks of a body, yields the parts that are complete.

    boundary: from the Content-Type. parts: how many there may be. part_bytes: of one of them, at most.
    Raises Malformed.
    """

    def __init__(self, boundary: bytes, parts: int, part_bytes: int) -> None:
        if not boundary:
            raise Malformed("The multipart/form-data Content-Type names no boundary; let the client set it.")
        if len(boundary) > BOUNDARY:
            raise Malformed(f"The boundary of the multipart form has more than {BOUNDARY} bytes.")
        self._delimiter = b"\r\n--" + boundary
        # What follows the last delimiter; a line end to begin with, so that the first delimiter may be
        # the first bytes of the body.
        self._buffer = bytearray(b"\r\n")
        self._searched = 0
        self._left = parts
        self._part_bytes = part_bytes
        self._inside = self._ended = False

    def feed(self, chunk: bytes) -> Iterator[Part]:
        """Raises Malformed, or TooLarge where there are more or larger parts than may be."""
        if self._ended:
            return  # an epilogue: to be ignored, says RFC 2046
        self._buffer += chunk
        while (at := self._buffer.find(self._delimiter, self._searched)) >= 0:
            after = at + len(self._delimiter)
            line_end = bytes(self._buffer[after : after + 2])
            if len(line_end) < 2:
                self._searched = at
                return
            if line_end not in (b"\r\n", b"--"):
                raise Malformed("The multipart form is malformed: its boundary is not alone on a line.")
            if self._inside:
                self._left -= 1
                if self._left < 0:
                    raise TooLarge("The multipart form has more parts than an upload needs.")
                yield self._part(at)
            self._inside = True
            if line_end == b"--":
                self._ended = True
                self._buffer.clear()
                return
            del self._buffer[:after]
            self._searched = 0
        if len(self._buffer) > self._part_bytes + PART_HEADERS:
            raise self._too_large()
        # What may be the beginning of a delimiter is looked at again.
        self._searched = max(len(self._buffer) - len(self._delimiter), 0)

    def close(self) -> None:
        """The body is over. Raises Malformed where the form is not."""
        if not self._ended:
            raise Malformed("The multipart form ends before its closing boundary; send all of it.")

    def _part(self, end: int) -> Part:
        """The part that ends at `end` in the buffer: line end, headers, empty line, content."""
        headers_end = self._buffer.find(b"\r\n\r\n", 0, min(end, PART_HEADERS))
        if headers_end < 0:
            raise Malformed(
                "The multipart form is malformed: a part has no headers, no empty line after them, or more"
                f" than {PART_HEADERS:,} bytes of them."
            )
        name = _name(bytes(self._buffer[:headers_end]))
        if end - headers_end - 4 > self._part_bytes:
            raise self._too_large()
        with memoryview(self._buffer) as view:
            return Part(name, bytes(view[headers_end + 4 : end]))

    def _too_large(self) -> TooLarge:
        return TooLarge(f"One picture has at most {self._part_bytes:,} bytes here; send a smaller one.")


def _name(headers: bytes) -> str:
    """The name in Content-Disposition; empty where there is none."""
    for line in headers.split(b"\r\n"):
        header, _, value = line.partition(b":")
        if header.strip().lower() == b"content-disposition":
            _, options = parse_options_header(value.strip())
            return options.get(b"name", b"").decode("utf-8", "replace")
    return ""
