"""The ASGI application that `python -m service` runs in each of its processes."""

from service.api.edge import Edge
from service.api.routes import Routes
from service.application import Application
from service.http.connection import Connections
from service.monitoring.logging import configure_logging
from service.monitoring.tracing import open_trace
from service.server.lifespan import lifespan
from service.service import declare
from service.settings import read_settings


def create_app(application: Application) -> Edge:
    """The edge around BentoML's application.

    What the edge answers never enters BentoML's middleware (docs/decisions/0011).
    """
    service = declare(lambda: application)
    return Edge(
        service.to_asgi(),
        application,
        Routes(application, service),
        open_trace(),
        lifespan(application.connections, application.settings.drain_seconds),
    )


def create_worker_app(connections: Connections) -> Edge:
    """The application of one of several workers, which opens the models for itself.

    A worker that is started again must not stay down because of a file that its siblings refused, so a bad
    file is left out.
    """
    settings = read_settings()
    configure_logging(settings.log_format)
    return create_app(Application.open(settings, connections, strict=False))
