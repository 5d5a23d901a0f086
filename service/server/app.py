"""The ASGI application that `python -m service` runs in each of its processes."""

from service.api.edge import Edge
from service.http.connection import RESERVED_FILES, Connection, Limits, open_files
from service.monitoring.logging import configure_logging
from service.monitoring.tracing import open_trace
from service.server.lifespan import lifespan
from service.service import Glimpse
from service.settings import Settings


def create() -> Edge:
    """The edge around BentoML's application: what the edge answers never enters BentoML's middleware
    (docs/decisions/0011)."""
    settings = Settings()
    configure_logging(settings.log_format)
    connections = min(settings.max_connections, open_files() - RESERVED_FILES)
    Connection.limits = Limits(max(connections, 1), settings.head_seconds, settings.body_seconds)
    app = Glimpse.to_asgi()  # type: ignore[attr-defined]  # a Service, not a class
    return Edge(app, Glimpse, settings.log_requests, open_trace(), lifespan(settings.drain_seconds))
