"""The edge: an ASGI layer between the socket and BentoML.

It answers the calls that carry pictures, GET /models, /metrics, /docs.json and the page itself, and lets
BentoML have the rest (probes, /schema.json). Every error that leaves is problem+json.
Why not BentoML's own request handling: docs/decisions/0003.
"""

import asyncio
import functools
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, MutableMapping
from contextlib import AbstractAsyncContextManager, nullcontext
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import bentoml
from pydantic import BaseModel
from starlette.responses import FileResponse, Response

from service import metrics, openapi, repository_calls, request
from service.errors import (
    PROBLEM_JSON,
    Failed,
    NotReady,
    Overloaded,
    Problem,
    Unauthorised,
    problem_response,
)
from service.feedback import take_feedback
from service.intake import ClientGone, Head, read_form, read_pictures
from service.tracing import Trace

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Handler = Callable[[Scope, Head, Receive], Awaitable[Response]]
Result = TypeVar("Result")

JSON = "application/json"
PAGE = Path(__file__).parent / "page"
PAGE_FILES = {"/": "index.html", "/page.js": "page.js", "/page.css": "page.css"}
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",  # a new release must not meet an old script
    "Referrer-Policy": "no-referrer",
}

OPEN_TO_ALL = frozenset({*PAGE_FILES, "/livez", "/readyz", "/healthz"})
"""What needs no API key where keys are set: the page, which asks for one, and the probes."""

NOSNIFF = (b"x-content-type-options", b"nosniff")

GONE = 499
"""The status that is counted where the client hung up; nobody reads it."""

DETAILS = {
    HTTPStatus.NOT_FOUND: "There is nothing here; POST a picture to /classify or /price, or GET /models.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address answers another method; see the Allow header.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The service is not ready to answer; ask /readyz again shortly.",
}


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
        self._posts["/feedback"] = take_feedback
        self._gets: dict[str, Handler] = {"/models": self._models, "/metrics": self._metrics}
        self._gets |= dict.fromkeys(PAGE_FILES, self._page)
        self._gets["/docs.json"] = self._docs
        self._document = functools.cache(functools.partial(openapi.document, service))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            async with self._beside:  # the one call of type lifespan, which lasts as long as the process
                await self._app(scope, receive, send)
            return
        head = Head(dict(scope["headers"]), scope["query_string"])
        request_id = request.begin(head.headers.get(b"x-request-id", b"").decode("latin-1"))
        handler = self._handler(scope, head)
        if handler is None:
            await self._app(scope, receive, _with_problems(send, scope, request_id))
            return
        try:
            response = await handler(scope, head, receive)
        except ClientGone:
            # Nobody reads it, but BentoML's timeout waits until something was answered.
            response = Response(status_code=GONE)
        except Problem as problem:
            response = problem.response(request_id)
        except MemoryError:
            log.error("%s: out of memory", scope["path"])
            response = Overloaded("The server is out of memory; try again shortly.").response(request_id)
        except Exception:
            log.exception("%s failed", scope["path"])
            detail = f"The server could not answer; quote request {request_id} to its operator."
            response = Failed(detail).response(request_id)
        response.raw_headers.extend(_about(request_id))
        total = request.total()
        path, status = scope.get("call", scope["path"]), response.status_code
        metrics.REQUESTS.labels(path, status).inc()
        await response(scope, receive, send)
        if self._log_requests:
            log.info("%s %s: %d in %.1f ms", scope["method"], path, status, 1000 * total)
        if self._trace and path in self._posts:
            self._trace(path, status, request_id, head.headers, request.stages(), total)

    def _handler(self, scope: Scope, head: Head) -> Handler | None:
        path, method = scope["path"], scope["method"]
        if path not in OPEN_TO_ALL and not bentoml.get_current_service().access.admits(head.headers):
            return _unauthorised
        if path in self._posts:
            return self._posts[path] if method == "POST" else _only("POST")
        if path in self._gets:
            return self._gets[path] if method in ("GET", "HEAD") else _only("GET, HEAD")
        if path.startswith(repository_calls.PREFIX) and (call := repository_calls.find(path)):
            scope["call"] = call.label
            return call.answer if method in call.methods else _only(", ".join(call.methods))
        if path == "/readyz" and bentoml.get_current_service().why_not_ready:
            return _not_ready
        return None

    async def _one(self, scope: Scope, head: Head, receive: Receive) -> Response:
        glimpse = bentoml.get_current_service()
        glimpse.access.charge(head.headers, _address(scope))
        with glimpse.room.share(glimpse.settings.max_upload_bytes) as share:
            form = await read_form(head, receive, share)
            call = self._calls[scope["path"]]
            return _json(await unless_gone(receive, call(glimpse, form.image, form.model)))

    async def _many(self, scope: Scope, head: Head, receive: Receive) -> Response:
        glimpse = bentoml.get_current_service()
        address = _address(scope)
        glimpse.access.charge(head.headers, address)
        complete = asyncio.Event()

        async def pictures() -> AsyncIterator[bytes]:
            yield first.image
            async for form in forms:
                glimpse.access.owe(head.headers, address)
                yield form.image
            complete.set()

        async def receive_after() -> Message:
            await complete.wait()  # until then it is the reading of the form that hears of a hang-up
            return await receive()

        with glimpse.room.share(glimpse.settings.max_batch_bytes) as share:
            forms = read_pictures(head, receive, share, glimpse.settings.max_upload_bytes)
            first = await anext(forms)
            work = self._calls[scope["path"]](glimpse, pictures(), first.model)
            return _json(await unless_gone(receive_after, work))

    async def _models(self, scope: Scope, head: Head, receive: Receive) -> Response:
        models = bentoml.get_current_service().catalog.describe()
        return Response(json.dumps({"models": models}), media_type=JSON)

    async def _metrics(self, scope: Scope, head: Head, receive: Receive) -> Response:
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4")

    async def _docs(self, scope: Scope, head: Head, receive: Receive) -> Response:
        return Response(self._document(), media_type=JSON)

    async def _page(self, scope: Scope, head: Head, receive: Receive) -> Response:
        return FileResponse(PAGE / PAGE_FILES[scope["path"]], headers=PAGE_HEADERS)


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, which is cancelled when the client hangs up; ClientGone is raised then.

    receive: of a request whose body was read to its end.
    """
    task = asyncio.current_task()
    assert task is not None
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    watching = asyncio.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if gone:
            task.uncancel()
            raise ClientGone from None
        raise
    finally:
        watching.cancel()


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type=JSON)


async def _not_ready(scope: Scope, head: Head, receive: Receive) -> Response:
    raise NotReady(bentoml.get_current_service().why_not_ready)


async def _unauthorised(scope: Scope, head: Head, receive: Receive) -> Response:
    raise Unauthorised(
        "This service asks for a key; send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`."
    )


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _only(methods: str) -> Handler:
    async def refuse(scope: Scope, head: Head, receive: Receive) -> Response:
        status = HTTPStatus.METHOD_NOT_ALLOWED
        detail = f"{scope['path']} answers {methods}, not {scope['method']}."
        return problem_response(status, status.phrase, detail, request.current_id(), {"Allow": methods})

    return refuse


def _with_problems(send: Send, scope: Scope, request_id: str) -> Send:
    """Turns BentoML's own error bodies (text, JSON lists) into problem+json."""
    problem: Response | None = None

    async def wrapped(message: Message) -> None:
        nonlocal problem
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            if message["status"] >= 400 and headers.get(b"content-type") != PROBLEM_JSON.encode():
                status = HTTPStatus(message["status"])
                detail = DETAILS.get(status, status.description) or status.phrase
                allow = {"Allow": headers[b"allow"].decode()} if b"allow" in headers else None
                problem = problem_response(status, status.phrase, detail, request_id, allow)
                problem.raw_headers.extend(_about(request_id))
                return
            if b"x-request-id" not in headers:
                message["headers"] = [*message["headers"], *_about(request_id)]
        if problem is None:
            await send(message)
        elif not message.get("more_body", False):
            await problem(scope, _nothing, send)

    return wrapped


def _about(request_id: str) -> list[tuple[bytes, bytes]]:
    """The headers that every answer has."""
    timing = request.server_timing(request.total())
    return [(b"x-request-id", request_id.encode()), (b"server-timing", timing.encode()), NOSNIFF]


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
