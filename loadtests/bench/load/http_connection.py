"""One HTTP/1.1 connection of a load generator: non-blocking, one request after the other."""

import contextlib
import os
import socket

RECEIVE_BYTES = 65536


class Connection:
    """A connection that is being opened, waits, or has a request under way.

    Attributes:
        number: Its file descriptor.
        request: Number of the request that is under way, or that it is opened for.
        was_used: Whether it has been opened.
        can_stay: Whether the last response left it open for another request.
        is_open: Whether it has not been closed here.
    """

    __slots__ = ("_received", "_rest", "_socket", "can_stay", "is_open", "number", "request", "was_used")

    def __init__(self, address: tuple[str, int], request: int | None) -> None:
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # EINPROGRESS; what goes wrong later is seen in has_sent.
        self._socket.connect_ex(address)
        self.number = self._socket.fileno()
        self.request = request
        self.was_used, self.can_stay, self.is_open = False, True, True
        self._received = b""
        self._rest: memoryview[int] | bytes = b""

    def send(self, request: bytes) -> bool:
        """Send a whole request, or begin to; whether nothing is left to send.

        Raises:
            OSError: The connection is broken.
        """
        self._rest = memoryview(request)
        return self.has_sent()

    def has_sent(self) -> bool:
        """Send what is left; whether nothing is.

        Raises:
            OSError: The connection is broken or did not open.
        """
        if not self.was_used and (code := self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
            raise OSError(code, os.strerror(code))
        if self._rest:
            with contextlib.suppress(BlockingIOError):
                self._rest = self._rest[self._socket.send(self._rest) :]
        return not self._rest

    def receive(self) -> int | None:
        """Read what has come; the status once a response is complete.

        Raises:
            OSError: The connection is broken, or the server closed it.
        """
        data = self._socket.recv(RECEIVE_BYTES)
        if not data:
            raise ConnectionResetError("closed by the server")
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end:
            return None
        fields = head.lower()
        if not _is_whole(fields, body):
            return None
        self._received = b""
        # A response before the end of its request leaves a connection of no further use.
        self.can_stay = b"\r\nconnection: close" not in fields and not self._rest
        return int(head[9:12])

    def close(self) -> None:
        """Close it; the descriptor may serve another connection from now on."""
        self.is_open = False
        self._socket.close()


def _is_whole(fields: bytes, body: bytes) -> bool:
    """Whether the body that belongs to a head in lower case has come."""
    _, found, rest = fields.partition(b"\r\ncontent-length:")
    if found:
        return len(body) >= int(rest.partition(b"\r\n")[0])
    if b"\r\ntransfer-encoding: chunked" in fields:
        return body.endswith(b"0\r\n\r\n")
    return True
