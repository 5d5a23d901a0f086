"""What the service says of itself: its models, metrics and documentation."""

import functools
import json
from collections.abc import Sequence

from starlette.responses import Response

from service.api import openapi
from service.application import Application
from service.http.asgi_types import Receive, Scope
from service.http.bodies.body import RequestHead
from service.http.endpoint import Endpoint, Respond
from service.monitoring import metrics
from service.settings import Settings

KEPT_DOCUMENTS = 8


def models(application: Application) -> Respond:
    """GET /models: the cards of all models, and where each runs."""

    async def respond(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        content = json.dumps({"models": application.catalog.describe()})
        return Response(content, media_type="application/json")

    return respond


async def metrics_text(scope: Scope, head: RequestHead, receive: Receive) -> Response:
    """GET /metrics: the text format of Prometheus."""
    return Response(metrics.exposition(), media_type="text/plain; version=0.0.4")


def docs(settings: Settings, protocols: Sequence[Endpoint]) -> Respond:
    """GET /docs.json: OpenAPI, made at the first request for each path that proxies show it under.

    Args:
        settings: Its limits are described.
        protocols: Endpoints that describe themselves.
    """
    document = functools.lru_cache(KEPT_DOCUMENTS)(functools.partial(openapi.document, settings, protocols))

    async def respond(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        return Response(document(scope.get("root_path", "")), media_type="application/json")

    return respond
