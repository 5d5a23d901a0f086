"""Which endpoint answers which path."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import bentoml
from starlette.routing import compile_path

from service import protocols
from service.api.endpoints import feedback, pictures, repository, static, system
from service.application import Application
from service.http.asgi_types import Scope
from service.http.endpoint import READ, Endpoint, shared


class Routes:
    """The endpoints of the service, by path.

    Attributes:
        endpoints: All of them.
    """

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        """Take endpoints; of those whose patterns match a path, the first answers.

        Raises:
            ValueError: Two have the same path, and neither says what it takes.
        """
        self.endpoints = tuple(endpoints)
        by_path: dict[str, list[Endpoint]] = defaultdict(list)
        self._patterns: list[tuple[re.Pattern[str], Endpoint]] = []
        for endpoint in self.endpoints:
            if "{" in endpoint.path:
                self._patterns.append((compile_path(endpoint.path)[0], endpoint))
            else:
                by_path[endpoint.path].append(endpoint)
        self._plain = {path: shared(endpoints) for path, endpoints in by_path.items()}

    @staticmethod
    def of(application: Application, service: bentoml.Service[Any]) -> "Routes":
        """Those of the API and of all protocols that are switched on.

        Args:
            application: What endpoints work with.
            service: Its APIs are the calls that take pictures; the predictor's methods have their names.
        """
        foreign = [*protocols.endpoints(application)]
        docs = Endpoint("/docs.json", READ, system.docs(application.settings, foreign))
        return Routes([*_endpoints(application, service), docs, *foreign])

    def find(self, scope: Scope) -> Endpoint | None:
        """The endpoint for a request, whose scope gets `path_params`; None leaves the request to BentoML."""
        path = scope["path"]
        if endpoint := self._plain.get(path):
            return endpoint
        for pattern, endpoint in self._patterns:
            if match := pattern.match(path):
                scope["path_params"] = match.groupdict()
                return endpoint
        return None


def _endpoints(application: Application, service: bentoml.Service[Any]) -> Iterator[Endpoint]:
    for name, api in service.apis.items():
        call = getattr(application.predictor, name)
        kind = pictures.respond_batch if api.route.endswith("/batch") else pictures.respond_one
        yield Endpoint(api.route, ("POST",), kind(application, call), traced=True)
    yield Endpoint("/feedback", ("POST",), feedback.respond(application), traced=True)
    yield Endpoint("/models", READ, system.models(application))
    yield Endpoint("/metrics", READ, system.metrics_text)
    for path in static.PAGE_FILES:
        yield Endpoint(path, READ, static.respond, is_open=True)
    yield from repository.endpoints(application)
