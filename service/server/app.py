"""The ASGI application that `python -m service` runs in each of its processes."""

from service.api.edge import Edge
from service.api.refusal import EarlyRefusals
from service.api.routes import Routes
from service.api.surroundings import around
from service.application import Application
from service.http.asgi_types import App
from service.monitoring.tracing import open_trace
from service.server.lifespan import lifespan
from service.service import declare


def create_app(application: Application) -> App:
    """The edge around BentoML's application, behind what proxies and other sites' pages need.

    What the edge answers never enters BentoML's middleware (docs/decisions/0011).
    """
    application.connections.refusals = EarlyRefusals(application)
    service = declare(lambda: application)
    trace = open_trace()
    edge = Edge(
        service.to_asgi(), application, Routes.of(application, service), trace, lifespan(application, trace)
    )
    return around(edge, application.settings)


def import_application() -> None:
    """Import what BentoML imports only when it makes an application."""

    def none_yet() -> Application:
        raise AssertionError("no instance is made before the lifespan begins")

    declare(none_yet).to_asgi()
