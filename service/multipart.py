"""Multipart forms, part by part, while they arrive (RFC 7578), read by python-multipart."""

from collections.abc import Iterator
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import Malformed, TooLarge


@dataclass(frozen=True, slots=True)
class Part:
    """A field of the form: its name, and its bytes as they were sent."""

    name: str
    content: bytes


class FormReader:
    """Fed with chunks of a body, yields the parts that are complete.

    parts: how many there may be.
    """

    def __init__(self, boundary: bytes, parts: int) -> None:
        if not boundary:
            raise Malformed("The multipart/form-data Content-Type names no boundary; let the client set it.")
        self._left = parts
        self._complete: list[Part] = []
        self._ended = False
        self._header = self._value = self._disposition = b""
        self._content = bytearray()
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise _malformed(error) from error

    def feed(self, chunk: bytes) -> Iterator[Part]:
        """Raises Malformed, or TooLarge where there are more parts than may be."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed(error) from error
        complete, self._complete = self._complete, []
        yield from complete

    def close(self) -> None:
        """The body is over. Raises Malformed where the form is not."""
        try:
            self._parser.finalize()
        except FormParserError as error:
            raise _malformed(error) from error
        if not self._ended:
            raise Malformed("The multipart form ends before its closing boundary; send all of it.")

    def _on_part_begin(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise TooLarge("The multipart form has more parts than an upload needs.")
        self._disposition = b""
        self._content = bytearray()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._content += memoryview(data)[start:end]

    def _on_part_end(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        self._complete.append(Part(name, bytes(self._content)))

    def _on_end(self) -> None:
        self._ended = True


def _malformed(error: FormParserError) -> Malformed:
    return Malformed(f"The multipart form is malformed: {error}.")
