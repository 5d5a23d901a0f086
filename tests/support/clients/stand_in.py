"""A stand-in for a cloud: it answers an SDK's calls as a test says, and hands some on to a real server."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tests.support.http_calls import CLIENT


@dataclass(frozen=True)
class Call:
    """One call of an SDK.

    Attributes:
        method: Of HTTP.
        path: Without its query.
        headers: By their names in lower case.
        body: As it was sent.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON; an empty one as an empty object."""
        return json.loads(self.body or b"{}")


def hand_on(call: Call, url: str) -> httpx.Response:
    """The response of a real server to the same body of the same type."""
    kept = {name: call.headers[name] for name in call.headers if name.startswith(("content-type", "x-amzn-"))}
    return CLIENT.post(url, content=call.body, headers=kept)


Answer = Callable[[Call], Any]
"""JSON for a call, or a response that was handed on."""


@contextmanager
def stand_in(answer: Answer) -> Iterator[tuple[str, list[Call]]]:
    """The base URL of a cloud that answers so, and the calls that it got."""
    calls: list[Call] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            call = Call(self.command, self.path.partition("?")[0], headers, body)
            calls.append(call)
            answered = answer(call)
            if not isinstance(answered, httpx.Response):
                answered = httpx.Response(200, json=answered)
            self.send_response(answered.status_code)
            self.send_header("Content-Type", answered.headers["content-type"])
            self.send_header("Content-Length", str(len(answered.content)))
            self.end_headers()
            self.wfile.write(answered.content)

        do_GET = do_DELETE = do_POST  # noqa: N815  # http.server's names

        def log_message(self, format: str, *args: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", calls
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
