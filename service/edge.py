"""The edge: an ASGI layer between the socket and BentoML.

It answers the calls that carry pictures, GET /models, /metrics and the page itself, and lets BentoML
have the rest (probes, /docs.json, /schema.json). Every error that leaves is problem+json.
Why not BentoML's own request handling: docs/decisions/0003.
"""

import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import bentoml
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response

from service import metrics, request
from service.errors import Failed, Problem, problem_response
from service.intake import read_form

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Handler = Callable[[Request], Awaitable[Response]]

JSON = "application/json"
PAGE = Path(__file__).parent / "page"
PAGE_FILES = {"/": "index.html", "/page.js": "page.js", "/page.css": "page.css"}
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",  # a new release must not meet an old script
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

DETAILS = {
    HTTPStatus.NOT_FOUND: "There is nothing here; POST a picture to /classify or /price, or GET /models.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address answers another method; see the Allow header.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The service is not ready to answer; ask /readyz again shortly.",
}


class Edge:
    """Routes of the service that BentoML does not answer.

    service: its APIs are the calls that carry pictures; they are called on its running instance.
    """

    def __init__(self, app: App, service: bentoml.Service[Any]) -> None:
        self._app = app
        self._calls = {api.route: api.func for api in service.apis.values()}
        self._gets: dict[str, Handler] = {"/models": self._models, "/metrics": self._metrics}
        self._gets |= dict.fromkeys(PAGE_FILES, self._page)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        http = Request(scope, receive, send)
        request_id = request.begin(http.headers.get("x-request-id", ""))
        handler = self._handler(http)
        if handler is None:
            await self._app(scope, receive, _with_problems(send, scope, request_id))
            return
        try:
            response = await handler(http)
        except ClientDisconnect:
            # Nobody reads it, but BentoML's timeout waits until something was answered.
            response = Response(status_code=400)
        except Problem as problem:
            response = problem.response(request_id)
        except Exception:
            log.exception("request %s to %s failed", request_id, scope["path"])
            detail = f"The server could not answer; quote request {request_id} to its operator."
            response = Failed(detail).response(request_id)
        response.headers["X-Request-ID"] = request_id
        metrics.REQUESTS.labels(scope["path"], response.status_code).inc()
        await response(scope, receive, send)

    def _handler(self, http: Request) -> Handler | None:
        path, method = http.scope["path"], http.method
        if path in self._calls:
            return self._call if method == "POST" else _only("POST")
        if path in self._gets:
            return self._gets[path] if method in ("GET", "HEAD") else _only("GET, HEAD")
        return None

    async def _call(self, http: Request) -> Response:
        glimpse = bentoml.get_current_service()
        form = await read_form(http, glimpse.settings.max_upload_bytes)
        # The plain function: the bound method would go through HTTP once more.
        call = self._calls[http.scope["path"]]
        answer = await call(glimpse, form.image, form.model)
        headers = {"Server-Timing": request.server_timing()}
        return Response(answer.model_dump_json(), headers=headers, media_type=JSON)

    async def _models(self, http: Request) -> Response:
        models = bentoml.get_current_service().catalog.describe()
        return Response(json.dumps({"models": models}), media_type=JSON)

    async def _metrics(self, http: Request) -> Response:
        return Response(metrics.exposition(), media_type="text/plain; version=0.0.4")

    async def _page(self, http: Request) -> Response:
        return FileResponse(PAGE / PAGE_FILES[http.scope["path"]], headers=PAGE_HEADERS)


def _only(methods: str) -> Handler:
    async def refuse(http: Request) -> Response:
        status = HTTPStatus.METHOD_NOT_ALLOWED
        detail = f"{http.scope['path']} answers {methods}, not {http.method}."
        return problem_response(status, status.phrase, detail, request.current_id(), {"Allow": methods})

    return refuse


def _with_problems(send: Send, scope: Scope, request_id: str) -> Send:
    """Turns BentoML's own error bodies (text, JSON lists) into problem+json."""
    problem: Response | None = None

    async def wrapped(message: Message) -> None:
        nonlocal problem
        if message["type"] == "http.response.start" and message["status"] >= 400:
            status = HTTPStatus(message["status"])
            allowed = b", ".join(value for name, value in message["headers"] if name == b"allow")
            detail = DETAILS.get(status, status.description) or status.phrase
            allow = {"Allow": allowed.decode()} if allowed else None
            problem = problem_response(status, status.phrase, detail, request_id, allow)
        elif problem is None:
            await send(message)
        elif not message.get("more_body", False):
            await problem(scope, _nothing, send)

    return wrapped


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
