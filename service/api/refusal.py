"""Refusing a picture early: before its body is read, without the rest of the service.

Where more pictures come than can be answered, saying no is most of the work. Costs are in docs/log.md, "The
engine on real cores".
"""

import asyncio
import functools
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from service.api.responses import response_headers
from service.application import Application
from service.errors import Problem
from service.http.bodies.body import RequestHead
from service.http.connections import Refusals
from service.http.problems import render
from service.inference.admission import Refused
from service.inference.engine import Engine
from service.monitoring import metrics, request_context

STATUS = HTTPStatus.SERVICE_UNAVAILABLE
STATUS_LINE = f"HTTP/1.1 {STATUS.value} {STATUS.phrase}\r\n".encode()

MAX_PATH_BYTES = 80
"""Of a request line that is looked at before it is parsed."""

ID_PLACE = "0" * 32
"""Stands for the id of the request in a response that is kept."""

KEPT_RESPONSES = 256
KEPT_HEADS = 1024
MAX_HEAD_BYTES = 2**10
"""Of a request that is looked at before it is parsed: KEPT_HEADS of them are remembered."""

UNUSUAL_HEADERS = (b"transfer-encoding", b"expect", b"connection", b"x-request-id", b"upgrade", b"origin")
"""Requests with one of these are left to the parser."""


class EarlyRefusals(Refusals):
    """Refuses what the admission of its model would refuse."""

    def __init__(self, application: Application) -> None:
        self._keys = application.keys
        self._answers_pages = bool(application.settings.cors_origins)
        catalog = application.catalog
        self._find: dict[bytes, Callable[[str | None], Engine[Any]]] = {
            b"/classify": catalog.classifier,
            b"/price": catalog.regressor,
        }
        # Of this turn of the event loop: their tasks, which count them as in flight, begin after it.
        self._let_through: dict[Engine[Any], int] = {}
        self._counted = {path: metrics.REQUESTS.labels(path.decode(), STATUS.value) for path in self._find}

    def of_whole(self, data: bytes) -> bytes | None:
        """The response to a whole request in one piece; None where it is not refused, or not a plain one."""
        path = data[5 : data.find(b" HTTP/1.1\r\n", 5, MAX_PATH_BYTES)]
        refusal = self._refusal(path, None)
        if refusal is None or self._keys.are_needed:
            return None
        end = data.find(b"\r\n\r\n", 0, MAX_HEAD_BYTES)
        if end < 0 or _plain_length(data[:end]) != len(data) - end - 4:
            return None
        self._count(path, *refusal)
        engine, refused = refusal
        response, places = _kept(engine.card.name, refused.reason, refused.retry_after)
        return response.replace(ID_PLACE.encode(), request_context.new_id().encode(), places)

    def of_head(self, url: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes | None:
        """The response to a request with this head; None where its body is to be read.

        The model that counts is the one in the query, or the default: one in the form is not known yet.
        """
        if self._answers_pages and any(name == b"origin" for name, _ in headers):
            return None  # a page of another origin reads no response without the headers for it
        path, _, query = url.partition(b"?")
        refusal = self._refusal(path, RequestHead({}, query).model if query else None, passes=True)
        if refusal is None or not self._keys.is_valid(dict(headers)):
            return None
        self._count(path, *refusal)
        engine, refused = refusal
        given = next((value for name, value in headers if name == b"x-request-id"), b"")
        request_id = request_context.start_request(given.decode("latin-1"))
        return _response(engine.card.name, refused.reason, refused.retry_after, request_id)

    def _refusal(
        self, path: bytes, model: str | None, passes: bool = False
    ) -> tuple[Engine[Any], Refused] | None:
        """The engine that is asked, and its refusal; None where there is none.

        Args:
            path: Of the request.
            model: Named in its query.
            passes: Whether a request that is not refused now goes on to its engine.
        """
        find = self._find.get(path)
        if find is None:
            return None
        try:
            engine = find(model)
        except Problem:
            return None
        ahead = self._let_through.get(engine, 0)
        refused = engine.admission.refusal(ahead)
        if refused:
            return engine, refused
        if passes:
            if not self._let_through:
                asyncio.get_running_loop().call_soon(self._let_through.clear)
            self._let_through[engine] = ahead + 1
        return None

    def _count(self, path: bytes, engine: Engine[Any], refused: Refused) -> None:
        engine.count_refusal(refused)
        self._counted[path].inc()


@functools.lru_cache(KEPT_HEADS)
def _plain_length(head: bytes) -> int | None:
    """The length of the body of a plain request, None of any other.

    Only of a POST with one stated length, and no header that asks for more, is it known without the parser
    where the next request begins.
    """
    lower = head.lower()
    _, *lengths = lower.split(b"\ncontent-length:")
    is_plain = head.startswith(b"POST ") and not any(b"\n" + name in lower for name in UNUSUAL_HEADERS)
    length = lengths[0].split(b"\r", 1)[0].strip() if is_plain and len(lengths) == 1 else b""
    return int(length) if length.isdigit() else None


@functools.lru_cache(KEPT_RESPONSES)
def _kept(model: str, reason: str, retry_after: int) -> tuple[bytes, int]:
    """A response with ID_PLACE in it, and how often that stands there."""
    request_context.start_request(ID_PLACE)
    response = _response(model, reason, retry_after, ID_PLACE)
    return response, response.count(ID_PLACE.encode())


def _response(model: str, reason: str, retry_after: int, request_id: str) -> bytes:
    response = render(Refused(reason, retry_after).problem(model), request_id)
    lines = [
        name + b": " + value + b"\r\n"
        for name, value in (*response.raw_headers, *response_headers(request_id))
    ]
    return b"".join((STATUS_LINE, *lines, b"\r\n", bytes(response.body)))
