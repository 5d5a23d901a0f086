"""One client's connection: uvicorn's own protocol, with an end to everything a client can drag out.

uvicorn bounds neither how long a head or a body takes to arrive nor how long a header may be, and
answers bytes that are no HTTP in plain text. A few hundred clients that
send a byte a minute would otherwise take all of a server's connections and none of its work.
"""

import logging
import sys
from asyncio import AbstractEventLoop, Transport
from dataclasses import dataclass
from typing import Any, ClassVar

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from service.errors import problem_response
from service.monitoring import metrics, request_context

MAX_HEAD_BYTES = 64 * 2**10
"""Bytes of a request line with its headers, or of one name, value or chunk extension that never ends."""

RESERVED_FILES = 200
"""Open files that are no connections: libraries, model files while they are tried, logs."""

LINGER_S = 1.0
"""Seconds that an idle connection stays open when the service ends, for a request that is on its way."""

log = logging.getLogger(__name__)


def open_files() -> int:
    """How many the system allows this process. Without one left, clients would wait unanswered."""
    if sys.platform == "win32":
        return 2**16
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


@dataclass(frozen=True, slots=True)
class Limits:
    """connections: open at once. head, body: seconds of waiting for the client until all of it is here;
    while we do not read, nobody waits for the client."""

    connections: int = 10_000
    head: float = 10
    body: float = 60


class Connection(HttpToolsProtocol):
    """What uvicorn makes of each connection when it is told `http="service.http.connection:Connection"`."""

    limits: ClassVar[Limits] = Limits()
    opened: ClassVar[set["Connection"]] = set()
    ending: ClassVar[bool] = False
    """True once the process is told to end: every answer closes its connection from then on."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = log  # silent about what strangers do (service/monitoring/logging.py)
        self._waited = 0.0
        self._expects = "head"  # or body, or nothing
        self._head = self._unparsed_bytes = 0
        self._discarding = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.opened.add(self)
        if len(self.opened) > self.limits.connections:
            self._reject(
                503, "full", "All connections are taken; try again in a second.", {"Retry-After": "1"}
            )

    def connection_lost(self, exc: Exception | None) -> None:
        self.opened.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._discarding or self.transport.is_closing():
            return
        self._unparsed_bytes += len(data)
        super().data_received(data)
        if self._unparsed_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._reject_head()

    def send_400_response(self, msg: str) -> None:
        error = sys.exception()
        if error is not None and isinstance(error.__context__, MemoryError):  # in what the parser calls
            self._reject(
                503, "memory", "The server is out of memory; try again shortly.", {"Retry-After": "1"}
            )
            return
        self._reject(
            400, "malformed", "This is not HTTP/1.1 as RFC 9112 has it; let an HTTP client write it."
        )

    # What the parser calls.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expects, self._waited, self._head = "head", 0.0, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        # Trailers come here too. Raising is how a parser is stopped: as if it were malformed.
        self._unparsed_bytes = 0
        self._head += len(name) + len(value) + 4
        if self._head > MAX_HEAD_BYTES:
            self._reject_head()
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._unparsed_bytes = 0
        if self.transport.is_closing():
            return
        self._expects, self._waited = "body", 0.0
        super().on_headers_complete()
        if self.ending:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        self._unparsed_bytes = 0
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._unparsed_bytes = 0
        self._expects = ""
        if not self.transport.is_closing():
            super().on_message_complete()

    # What the service calls.

    def tick(self, seconds: float) -> None:
        """So much time has passed: ends the connection where its client had too much of it."""
        if not self._expects or self.flow.read_paused:
            return
        self._waited += seconds
        if self._waited > (self.limits.head if self._expects == "head" else self.limits.body):
            self._reject(
                408, "slow", f"The {self._expects} of the request took too long to arrive; send it again."
            )

    def shutdown(self) -> None:
        """Answer what is here, take what is on its way, then close."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(LINGER_S, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def _reject_head(self) -> None:
        self._reject(
            431, "head", f"The head of a request has at most {MAX_HEAD_BYTES:,} bytes; send fewer headers."
        )

    def _reject(self, status: int, reason: str, detail: str, headers: dict[str, str] | None = None) -> None:
        """Say why and close; behind an answer that is still owed, read no more and close after that."""
        metrics.CONNECTIONS_ENDED.labels(reason).inc()
        cycle, inside = self.cycle, self._expects == "body"
        if cycle is not None and not cycle.response_complete and not inside:
            cycle.keep_alive, self._expects, self._discarding = False, "", True
            return
        if cycle is None or not (inside and cycle.response_started):
            title = STATUS_LINE[status].split(b" ", 2)[2].strip().decode()
            answer = problem_response(status, title, detail, request_context.start_request(), headers)
            lines = [name + b": " + value + b"\r\n" for name, value in answer.raw_headers]
            self.transport.write(
                b"".join([STATUS_LINE[status], *lines, b"connection: close\r\n\r\n", answer.body])
            )
        self.transport.close()
