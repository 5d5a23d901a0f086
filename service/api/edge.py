"""The edge: the one ASGI layer between the socket and BentoML.

It answers every call that Glimpse declares and lets BentoML have the rest (probes, /schema.json). Every error
that leaves is problem+json. Why not BentoML's own request handling: docs/decisions/0003.
"""

import logging
from contextlib import AbstractAsyncContextManager, nullcontext
from http import HTTPStatus

from starlette.responses import Response

from service.api import responses
from service.api.routes import Routes
from service.application import Application
from service.errors import InternalError, NotFound, Overloaded, Problem, Unauthorised
from service.http.asgi_types import App, Receive, Scope, Send
from service.http.bodies.body import RequestHead
from service.http.disconnect import ClientDisconnected
from service.http.endpoint import Endpoint, Render
from service.http.problems import render
from service.monitoring import metrics, request_context
from service.monitoring.tracing import Trace

log = logging.getLogger(__name__)

PROBES = frozenset({"/livez", "/readyz", "/healthz"})
"""BentoML's own, which need no API key where keys are set."""

CLIENT_CLOSED_REQUEST = 499
"""The status that is counted where the client disconnected; it is never sent."""


class Edge:
    """Gives a request its id, checks its key, finds its endpoint, and turns errors into problems."""

    def __init__(
        self,
        app: App,
        application: Application,
        routes: Routes,
        trace: Trace | None = None,
        lifespan: AbstractAsyncContextManager[None] | None = None,
    ) -> None:
        """Wrap an ASGI application.

        Args:
            app: Has what is not in the routes.
            application: The parts of this process.
            routes: Which endpoint answers what.
            trace: Called with each request to a traced endpoint.
            lifespan: Entered before the first request and left after the last.
        """
        self._app = app
        self._application = application
        self._routes = routes
        self._trace = trace
        self._lifespan = lifespan or nullcontext()
        self._log_requests = application.settings.log_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or live through the lifespan of the process."""
        if scope["type"] != "http":
            async with self._lifespan:  # the one call of type lifespan, as long as the process
                await self._app(scope, receive, send)
            return
        head = RequestHead(dict(scope["headers"]), scope["query_string"])
        request_id = request_context.start_request(head.headers.get(b"x-request-id", b"").decode("latin-1"))
        path, method = scope["path"], scope["method"]
        endpoint = self._routes.find(scope)
        try:
            self._check_key(path, endpoint, head)
            if endpoint is None:
                self._check_passes_on(path)
                await self._app(scope, receive, responses.rewrite_errors(send, scope, request_id))
                return
            endpoint.check_method(method, path)
            response = await endpoint.respond(scope, head, receive)
        except Exception as error:
            response = self._response_to(error, path, request_id, endpoint.render if endpoint else render)
        response.raw_headers.extend(responses.response_headers(request_id))
        total = request_context.total()
        # A path that a client makes up must not become a label of its own.
        label = endpoint.path if endpoint else path if path in PROBES else "other"
        metrics.REQUESTS.labels(label, response.status_code).inc()
        await response(scope, receive, send)
        if self._log_requests:
            log.info("%s %s: %d in %.1f ms", method, label, response.status_code, 1000 * total)
        if self._trace and endpoint is not None and endpoint.traced:
            stages = request_context.stages()
            self._trace(label, response.status_code, request_id, head.headers, stages, total)

    def _check_key(self, path: str, endpoint: Endpoint | None, head: RequestHead) -> None:
        is_open = endpoint.is_open if endpoint else path in PROBES
        if not is_open and not self._application.keys.is_authorised(head.headers):
            raise Unauthorised(
                "This service asks for a key; send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`."
            )

    def _check_passes_on(self, path: str) -> None:
        """Raise where BentoML must not answer.

        It does not know whether the process is ready, and redirects a path that ends in a slash to whichever
        host the client names.
        """
        if path == "/readyz":
            self._application.check_ready()
        if path.endswith("/"):
            raise NotFound(responses.DETAILS[HTTPStatus.NOT_FOUND])

    def _response_to(self, error: Exception, path: str, request_id: str, render: Render) -> Response:
        if isinstance(error, Problem):
            return render(error, request_id)
        if isinstance(error, ClientDisconnected):
            # Never sent, but the timer of BentoML's middleware is released only by a response.
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        if isinstance(error, MemoryError):
            log.error("%s: out of memory", path)
            return render(Overloaded("The server is out of memory; try again shortly."), request_id)
        log.error("%s failed", path, exc_info=error)
        detail = f"The server could not answer; quote request {request_id} to its operator."
        return render(InternalError(detail), request_id)
