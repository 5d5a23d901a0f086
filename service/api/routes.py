"""Which endpoint answers which path and method."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import bentoml
from starlette.responses import Response

from service.api.endpoints import feedback, pictures, repository, static, system
from service.application import Application
from service.errors import MethodNotAllowed
from service.http.asgi_types import Receive, Scope
from service.http.body import RequestHead

Respond = Callable[[Scope, RequestHead, Receive], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What answers a request.

    Attributes:
        label: The path as metrics and logs name it: what a client may choose at will is left out.
        methods: Those it answers.
        respond: From a request to its response; raises Problem.
        traced: Whether its requests become spans.
    """

    label: str
    methods: tuple[str, ...]
    respond: Respond
    traced: bool = False

    def check_method(self, method: str, path: str) -> None:
        """Raise MethodNotAllowed where the endpoint does not answer this method."""
        if method not in self.methods:
            allowed = ", ".join(self.methods)
            raise MethodNotAllowed(f"{path} answers {allowed}, not {method}.", allowed)


class Routes:
    """The endpoints of the service, by path."""

    def __init__(self, application: Application, service: bentoml.Service[Any]) -> None:
        """Make an endpoint of each call.

        Args:
            application: What endpoints work with.
            service: Its APIs are the calls that take pictures; the predictor's methods have their names.
        """
        self._application = application
        self._endpoints: dict[str, Endpoint] = {}
        for name, api in service.apis.items():
            call = getattr(application.predictor, name)
            kind = pictures.respond_batch if api.route.endswith("/batch") else pictures.respond_one
            self._add(api.route, ("POST",), kind(application, call), traced=True)
        self._add("/feedback", ("POST",), feedback.respond(application), traced=True)
        self._add("/models", ("GET", "HEAD"), system.models(application))
        self._add("/metrics", ("GET", "HEAD"), system.metrics_text)
        self._add("/docs.json", ("GET", "HEAD"), system.docs(service))
        for path in static.PAGE_FILES:
            self._add(path, ("GET", "HEAD"), static.respond)

    def get(self, path: str) -> Endpoint | None:
        """The endpoint at this path; None leaves the request to BentoML."""
        if endpoint := self._endpoints.get(path):
            return endpoint
        if call := repository.find(path):
            return Endpoint(call.label, call.methods, call.respond(self._application))
        return None

    def _add(self, path: str, methods: tuple[str, ...], respond: Respond, traced: bool = False) -> None:
        self._endpoints[path] = Endpoint(path, methods, respond, traced)
