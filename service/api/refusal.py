"""Refusing a picture at its head: before its body is read, without the rest of the service.

Where more pictures come than can be answered, saying no is most of the work. A refusal costs 20 us here and
ten times that behind the form, the edge and its tasks (docs/log.md).
"""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from service.api.responses import response_headers
from service.application import Application
from service.errors import Problem
from service.http.body import RequestHead
from service.http.problems import render
from service.inference.engine import Engine
from service.monitoring import metrics, request_context

STATUS_LINE = (
    f"HTTP/1.1 {HTTPStatus.SERVICE_UNAVAILABLE} {HTTPStatus.SERVICE_UNAVAILABLE.phrase}\r\n".encode()
)


class EarlyRefusal:
    """Refuses what the admission of its model would refuse."""

    def __init__(self, application: Application) -> None:
        self._keys = application.keys
        catalog = application.catalog
        self._find: dict[bytes, Callable[[str | None], Engine[Any]]] = {
            b"/classify": catalog.classifier,
            b"/price": catalog.regressor,
        }
        self._counted = {path: metrics.REQUESTS.labels(path.decode(), 503) for path in self._find}

    def __call__(self, url: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes | None:
        """The whole response to a request with this head; None where its body is to be read.

        The model that counts is the one in the query, or the default: one in the form is not known yet.
        """
        path, _, query = url.partition(b"?")
        find = self._find.get(path)
        if find is None:
            return None
        try:
            engine = find(RequestHead({}, query).model if query else None)
            engine.check_admission()
            return None
        except Problem as problem:
            if problem.status != HTTPStatus.SERVICE_UNAVAILABLE or not self._keys.is_authorised(
                dict(headers)
            ):
                return None
            overloaded = problem
        given = next((value for name, value in headers if name == b"x-request-id"), b"")
        request_id = request_context.start_request(given.decode("latin-1"))
        self._counted[path].inc()
        response = render(overloaded, request_id)
        lines = [
            name + b": " + value + b"\r\n"
            for name, value in (*response.raw_headers, *response_headers(request_id))
        ]
        return b"".join((STATUS_LINE, *lines, b"\r\n", response.body))
