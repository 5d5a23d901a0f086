"""Probes: is the server live, is it ready, is this model? All need no key."""

from collections.abc import Iterator

from starlette.responses import Response

from service.application import Application
from service.http.asgi_types import Receive, Scope
from service.http.bodies.body import RequestHead
from service.http.endpoint import READ, Endpoint
from service.http.problems import render_error
from service.protocols.open_inference.served import MODEL, VERSION, json_response, served_engine
from service.protocols.openapi import open_inference as openapi


def endpoints(application: Application) -> Iterator[Endpoint]:
    """GET /v2/health/live, /v2/health/ready and .../ready of each model."""

    async def live(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        return json_response({"live": True})

    async def ready(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        application.check_ready()
        return json_response({"ready": True})

    async def model_ready(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        engine = served_engine(application, scope)
        application.check_model_ready(engine)
        return json_response({"name": engine.card.name, "ready": True})

    yield Endpoint("/v2/health/live", READ, live, is_open=True, render=render_error, openapi=openapi.LIVE)
    yield Endpoint("/v2/health/ready", READ, ready, is_open=True, render=render_error, openapi=openapi.READY)
    for path in (MODEL, VERSION):
        yield Endpoint(
            f"{path}/ready", READ, model_ready, is_open=True, render=render_error, openapi=openapi.MODEL_READY
        )
