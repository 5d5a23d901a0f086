"""The edge: an ASGI layer between the socket and BentoML.

It answers the calls that carry pictures, GET /models, /metrics, /docs.json and the page itself, and lets
BentoML have the rest (probes, /schema.json). Every error that leaves is problem+json.
Why not BentoML's own request handling: docs/decisions/0003.
"""

import asyncio
import functools
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from http import HTTPStatus
from typing import Any

import bentoml
from pydantic import BaseModel
from starlette.responses import Response

from service.api import openapi
from service.api.endpoints import repository as repository_calls
from service.api.endpoints.feedback import post_feedback
from service.api.endpoints.static import PAGE_FILES, page_file
from service.api.responses import DETAILS, response_headers, rewrite_errors
from service.errors import (
    InternalError,
    NotReady,
    Overloaded,
    Problem,
    Unauthorised,
    problem_response,
)
from service.http.asgi_types import App, Message, Receive, Scope, Send
from service.http.body import RequestHead, read_form, read_pictures
from service.http.disconnect import ClientGone, cancel_on_disconnect
from service.monitoring import metrics, request_context
from service.monitoring.tracing import Trace

log = logging.getLogger(__name__)

Handler = Callable[[Scope, RequestHead, Receive], Awaitable[Response]]

JSON = "application/json"
OPEN_TO_ALL = frozenset({*PAGE_FILES, "/livez", "/readyz", "/healthz"})
"""What needs no API key where keys are set: the page, which asks for one, and the probes."""

CLIENT_CLOSED_REQUEST = 499
"""The status that is counted where the client hung up; nobody reads it."""


class Edge:
    """Routes of the service that BentoML does not answer.

    service: its APIs are the calls that carry pictures; they are called on its running instance.
    log_requests: a log line for each request. trace: called with each answered call. beside: entered before
    the first request and left after the last.
    """

    def __init__(
        self,
        app: App,
        service: bentoml.Service[Any],
        log_requests: bool = False,
        trace: Trace | None = None,
        beside: AbstractAsyncContextManager[None] | None = None,
    ) -> None:
        self._app = app
        self._beside = beside or nullcontext()
        self._log_requests = log_requests
        self._trace = trace
        # The plain functions: a bound method would go through HTTP once more.
        self._calls = {api.route: api.func for api in service.apis.values()}
        self._posts: dict[str, Handler] = {
            route: self._many if route.endswith("/batch") else self._one for route in self._calls
        }
        self._posts["/feedback"] = post_feedback
        self._gets: dict[str, Handler] = {"/models": self._models, "/metrics": self._metrics}
        self._gets |= dict.fromkeys(PAGE_FILES, _page)
        self._gets["/docs.json"] = self._docs
        self._document = functools.cache(functools.partial(openapi.document, service))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            async with self._beside:  # the one call of type lifespan, which lasts as long as the process
                await self._app(scope, receive, send)
            return
        head = RequestHead(dict(scope["headers"]), scope["query_string"])
        request_id = request_context.start_request(head.headers.get(b"x-request-id", b"").decode("latin-1"))
        handler = self._handler(scope, head)
        if handler is None:
            await self._app(scope, receive, rewrite_errors(send, scope, request_id))
            return
        try:
            response = await handler(scope, head, receive)
        except ClientGone:
            # Nobody reads it, but BentoML's timeout waits until something was answered.
            response = Response(status_code=CLIENT_CLOSED_REQUEST)
        except Problem as problem:
            response = problem.response(request_id)
        except MemoryError:
            log.error("%s: out of memory", scope["path"])
            response = Overloaded("The server is out of memory; try again shortly.").response(request_id)
        except Exception:
            log.exception("%s failed", scope["path"])
            detail = f"The server could not answer; quote request {request_id} to its operator."
            response = InternalError(detail).response(request_id)
        response.raw_headers.extend(response_headers(request_id))
        total = request_context.total()
        path, status = scope.get("call", scope["path"]), response.status_code
        metrics.REQUESTS.labels(path, status).inc()
        await response(scope, receive, send)
        if self._log_requests:
            log.info("%s %s: %d in %.1f ms", scope["method"], path, status, 1000 * total)
        if self._trace and path in self._posts:
            self._trace(path, status, request_id, head.headers, request_context.stages(), total)

    def _handler(self, scope: Scope, head: RequestHead) -> Handler | None:
        path, method = scope["path"], scope["method"]
        if path not in OPEN_TO_ALL and not bentoml.get_current_service().access.is_authorised(head.headers):
            return _unauthorised
        if path in self._posts:
            return self._posts[path] if method == "POST" else _only("POST")
        if path in self._gets:
            return self._gets[path] if method in ("GET", "HEAD") else _only("GET, HEAD")
        if path.startswith(repository_calls.PREFIX) and (call := repository_calls.find(path)):
            scope["call"] = call.label
            return call.answer if method in call.methods else _only(", ".join(call.methods))
        if path == "/readyz" and bentoml.get_current_service().unready_reason:
            return _not_ready
        # Starlette would redirect to the address without it, on whichever host the client names.
        return _nowhere if path.endswith("/") else None

    async def _one(self, scope: Scope, head: RequestHead, receive: Receive) -> Response:
        glimpse = bentoml.get_current_service()
        glimpse.access.charge(head.headers, _address(scope))
        with glimpse.room.reserve(glimpse.settings.max_upload_bytes) as reservation:
            form = await read_form(head, receive, reservation)
            call = self._calls[scope["path"]]
            return _json(await cancel_on_disconnect(receive, call(glimpse, form.image, form.model)))

    async def _many(self, scope: Scope, head: RequestHead, receive: Receive) -> Response:
        glimpse = bentoml.get_current_service()
        address = _address(scope)
        glimpse.access.charge(head.headers, address)
        complete = asyncio.Event()

        async def pictures() -> AsyncIterator[bytes]:
            yield first.image
            async for form in forms:
                glimpse.access.charge_extra(head.headers, address)
                yield form.image
            complete.set()

        async def receive_after() -> Message:
            await complete.wait()  # until then it is the reading of the form that hears of a hang-up
            return await receive()

        with glimpse.room.reserve(glimpse.settings.max_batch_bytes) as reservation:
            forms = read_pictures(head, receive, reservation, glimpse.settings.max_upload_bytes)
            first = await anext(forms)
            work = self._calls[scope["path"]](glimpse, pictures(), first.model)
            return _json(await cancel_on_disconnect(receive_after, work))

    async def _models(self, scope: Scope, head: RequestHead, receive: Receive) -> Response:
        models = bentoml.get_current_service().catalog.describe()
        return Response(json.dumps({"models": models}), media_type=JSON)

    async def _metrics(self, scope: Scope, head: RequestHead, receive: Receive) -> Response:
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4")

    async def _docs(self, scope: Scope, head: RequestHead, receive: Receive) -> Response:
        return Response(self._document(), media_type=JSON)


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type=JSON)


async def _nowhere(scope: Scope, head: RequestHead, receive: Receive) -> Response:
    status = HTTPStatus.NOT_FOUND
    return problem_response(status, status.phrase, DETAILS[status], request_context.request_id())


async def _page(scope: Scope, head: RequestHead, receive: Receive) -> Response:
    return page_file(scope["path"])


async def _not_ready(scope: Scope, head: RequestHead, receive: Receive) -> Response:
    raise NotReady(bentoml.get_current_service().unready_reason)


async def _unauthorised(scope: Scope, head: RequestHead, receive: Receive) -> Response:
    raise Unauthorised(
        "This service asks for a key; send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`."
    )


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _only(methods: str) -> Handler:
    async def refuse(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        status = HTTPStatus.METHOD_NOT_ALLOWED
        detail = f"{scope['path']} answers {methods}, not {scope['method']}."
        return problem_response(
            status, status.phrase, detail, request_context.request_id(), {"Allow": methods}
        )

    return refuse
