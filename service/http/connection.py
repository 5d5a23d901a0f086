"""One connection: uvicorn's own protocol, with a limit on everything a client can drag out.

uvicorn bounds neither how long a head or a body takes to arrive nor how long a header may be, and answers
bytes that are not HTTP in plain text. A few hundred clients that send a byte a minute would otherwise take
all connections of a server and none of its work (docs/decisions/0015).
"""

import logging
import sys
from asyncio import AbstractEventLoop, Transport
from collections.abc import Callable
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from service.http.connections import Connections
from service.http.disconnect import CONNECTION
from service.http.problems import problem_response
from service.monitoring import metrics, request_context

MAX_HEAD_BYTES = 64 * 2**10
"""Of a request line with its headers, or of one name, value or chunk extension that does not end."""

LINGER_S = 1.0
"""How long an idle connection stays open when the service ends, for a request that is on its way."""

log = logging.getLogger(__name__)


class Connection(HttpToolsProtocol):
    """The protocol that uvicorn makes of each connection.

    Attributes:
        on_disconnect: Called when the client disconnects; set and reset by what works for its request.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
        connections: Connections | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.logger = log  # silent about broken requests (service/monitoring/logging.py)
        self.on_disconnect: Callable[[], None] = _nothing
        self._connections = connections or Connections()
        self._limits = self._connections.limits
        self._waited = 0.0
        self._expects = "head"  # or body, or nothing
        self._head_bytes = self._unparsed_bytes = 0
        self._discarding = self._is_refused = False
        self._is_between = True  # two requests, as far as the parser is concerned
        self._refused_at = 0.0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Reject a connection above the limit."""
        super().connection_made(transport)
        if not self._connections.add(self):
            self._reject(
                503, "full", "All connections are taken; try again in a second.", {"Retry-After": "1"}
            )

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection, and end the work of its request."""
        self.on_disconnect()
        self._connections.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived; bytes that the parser only collects count as a head."""
        if self._discarding or self.transport.is_closing():
            return
        if self._is_between and self._refuse_whole(data):
            return
        self._is_between = False
        self._unparsed_bytes += len(data)
        super().data_received(data)
        if self._unparsed_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._reject_head()

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that the parser stopped at."""
        error = sys.exception()
        if error is not None and isinstance(error.__context__, MemoryError):  # in what the parser calls
            self._reject(
                503, "memory", "The server is out of memory; try again shortly.", {"Retry-After": "1"}
            )
            return
        self._reject(
            400, "malformed", "This is not HTTP/1.1 as RFC 9112 has it; let an HTTP client write it."
        )

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        """A request begins: its head is expected."""
        super().on_message_begin()
        self.scope[CONNECTION] = self  # type: ignore[literal-required]
        self._expects, self._waited, self._head_bytes = "head", 0.0, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header, or a trailer."""
        self._unparsed_bytes = 0
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > MAX_HEAD_BYTES:
            self._reject_head()
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete: the body is expected."""
        self._unparsed_bytes = 0
        if self.transport.is_closing():
            return
        self._expects, self._waited = "body", 0.0
        if self._refuse():
            return
        super().on_headers_complete()
        if self._connections.draining:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Pass on a piece of the body."""
        self._unparsed_bytes = 0
        if not self._is_refused and not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete: nothing is expected until the next one."""
        self._unparsed_bytes = 0
        self._expects = ""
        self._is_between = True
        if self._is_refused:
            self._is_refused = False
            self._await_next()
        elif not self.transport.is_closing():
            super().on_message_complete()
            # uvicorn stops reading behind a large body; then the client's end would not be noticed.
            self.flow.resume_reading()

    # Calls of the service.

    def tick(self, seconds: float) -> None:
        """Count time that has passed; reject a client that has kept the service waiting too long."""
        if not self._expects or self.flow.read_paused:
            return
        self._waited += seconds
        limits = self._limits
        if self._waited > (limits.head_seconds if self._expects == "head" else limits.body_seconds):
            self._reject(
                408, "slow", f"The {self._expects} of the request took too long to arrive; send it again."
            )

    def shutdown(self) -> None:
        """Answer what has arrived, take what is on its way, then close."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(LINGER_S, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
        else:
            self.cycle.keep_alive = False

    def _refuse(self) -> bool:
        """Refuse the request at its head, if it would be refused later: its body is then discarded."""
        is_behind_another = self.cycle is not None and not self.cycle.response_complete
        # One that waits for "100 Continue" may not send its body; the next request would be taken for it.
        if is_behind_another or self.expect_100_continue or self._connections.draining:
            return False
        response = self._connections.refusals.of_head(self.url, self.headers)
        if response is None:
            return False
        self._is_refused = True
        self.transport.write(response)
        return True

    def _refuse_whole(self, data: bytes) -> bool:
        """Refuse a request that has come in one piece, if it would be refused later, without parsing it."""
        if (self.cycle is not None and not self.cycle.response_complete) or self._connections.draining:
            return False
        response = self._connections.refusals.of_whole(data)
        if response is None:
            return False
        self.transport.write(response)
        self._expects, self._refused_at = "", self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._await_next()
        return True

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; one that was refused something since is not idle yet."""
        left = self._refused_at + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
        else:
            super().timeout_keep_alive_handler()

    def _await_next(self) -> None:
        """As uvicorn does after a response: close the connection, or wait for the next request on it."""
        if not self.parser.should_keep_alive():
            self.transport.close()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _reject_head(self) -> None:
        self._reject(
            431, "head", f"The head of a request has at most {MAX_HEAD_BYTES:,} bytes; send fewer headers."
        )

    def _reject(self, status: int, reason: str, detail: str, headers: dict[str, str] | None = None) -> None:
        """Say why and close; behind a response that is still owed, discard input and close after it."""
        metrics.CONNECTIONS_ENDED.labels(reason).inc()
        cycle, inside = self.cycle, self._expects == "body"
        if self._is_refused:  # its response has been sent
            self.transport.close()
            return
        if cycle is not None and not cycle.response_complete and not inside:
            cycle.keep_alive, self._expects, self._discarding = False, "", True
            return
        if cycle is None or not (inside and cycle.response_started):
            title = STATUS_LINE[status].split(b" ", 2)[2].strip().decode()
            problem = problem_response(status, title, detail, request_context.start_request(), headers)
            lines = [name + b": " + value + b"\r\n" for name, value in problem.raw_headers]
            self.transport.write(
                b"".join([STATUS_LINE[status], *lines, b"connection: close\r\n\r\n", problem.body])
            )
        self.transport.close()


def _nothing() -> None:
    pass
