"""A stand-in for the service with canned responses, as fast on any machine."""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Literal

Fault = Literal["wrong answers", "status 500", "refuses half"]

OVERLOADED = {"title": "Overloaded", "status": 503}


@contextmanager
def stub_service(fault: Fault) -> Iterator[str]:
    """Serve responses with one fault; the rest are correct. Yields the base URL.

    The label of a digit is read from its file name, digit-LABEL.png.
    """
    numbers = count()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if fault == "refuses half" and next(numbers) % 2:
                self._respond(503, OVERLOADED, {"Retry-After": "0"})
            elif fault == "status 500":
                self._respond(500, {"title": "Internal error"})
            elif fault == "wrong answers":
                self._respond(200, {"label": "none", "low": 3, "price": 2, "high": 1})
            else:
                digit = re.search(rb'filename="?digit-(\w+)\.png', body)
                label = digit[1].decode() if digit else ""
                self._respond(200, {"label": label, "low": 1, "price": 2, "high": 3})

        def _respond(self, status: int, fields: object, headers: dict[str, str] | None = None) -> None:
            content = json.dumps(fields).encode()
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
