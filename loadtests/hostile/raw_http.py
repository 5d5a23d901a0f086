"""Raw bytes to a socket and the HTTP responses to them.

No HTTP client sends malformed requests.
"""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

CLOSED_WITHIN_S = 20.0
"""A connection has to be answered and closed within this."""


@dataclass(frozen=True)
class Response:
    """One HTTP response; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def exchange(url: str, data: bytes, disconnect: bool = False) -> list[Response]:
    """Send bytes on one connection and read its responses until the server closes it.

    Args:
        url: Of the server; its path is not used.
        data: What is sent.
        disconnect: Close the connection after sending, without waiting for a response.

    Raises:
        TimeoutError: The server did not close the connection within CLOSED_WITHIN_S.
    """
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=2**20)
    try:
        writer.write(data)
        if disconnect:
            return []
        received = bytearray()
        async with asyncio.timeout(CLOSED_WITHIN_S):
            # A server that has responded may reset the connection while more is on its way to it.
            with contextlib.suppress(ConnectionResetError):
                while chunk := await reader.read(2**16):
                    received += chunk
    finally:
        writer.close()
    return parse_responses(bytes(received))


def parse_responses(received: bytes) -> list[Response]:
    """Split what a server sent into responses; 100 Continue is left out."""
    responses = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split()[1])
        if status == 100:
            continue
        pairs = (line.split(":", 1) for line in lines)
        headers = {name.lower(): value.strip() for name, value in pairs}
        length = int(headers.get("content-length", len(received)))
        responses.append(Response(status, headers, received[:length]))
        received = received[length:]
    return responses
