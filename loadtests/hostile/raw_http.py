"""Bytes to a socket, and the answers that come back: no HTTP client sends what is sent here."""

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

WITHIN = 20.0
"""Seconds in which a connection must be answered and closed."""


@dataclass(frozen=True)
class Answer:
    """headers: names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


async def exchange(url: str, sent: bytes, hang_up: bool = False) -> list[Answer]:
    """Every answer on one connection, in order, until the server closes it.

    hang_up: close without waiting for any. Raises TimeoutError where the server never closes.
    """
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=2**20)
    try:
        writer.write(sent)
        if hang_up:
            return []
        received = bytearray()
        async with asyncio.timeout(WITHIN):
            # A server that has answered may reset the connection while more is on its way to it.
            with contextlib.suppress(ConnectionResetError):
                while chunk := await reader.read(2**16):
                    received += chunk
    finally:
        writer.close()
    return answers(bytes(received))


def answers(received: bytes) -> list[Answer]:
    """Cut what a server sent into answers; 100 Continue is left out."""
    found = []
    while received:
        head, _, received = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        status = int(first.split()[1])
        if status == 100:
            continue
        pairs = (line.split(":", 1) for line in lines)
        headers = {name.lower(): value.strip() for name, value in pairs}
        length = int(headers.get("content-length", len(received)))
        found.append(Answer(status, headers, received[:length]))
        received = received[length:]
    return found
