"""The ASGI application that `python -m service` runs in each of its processes."""

from service import logs
from service.connection import RESERVED_FILES, Connection, Limits, open_files
from service.edge import Edge
from service.lifetime import living
from service.service import Glimpse
from service.settings import Settings
from service.tracing import open_trace


def create() -> Edge:
    """The edge around BentoML's application: what the edge answers never enters BentoML's middleware
    (docs/decisions/0011)."""
    settings = Settings()
    logs.configure(settings.log_format)
    connections = min(settings.max_connections, open_files() - RESERVED_FILES)
    Connection.limits = Limits(max(connections, 1), settings.head_seconds, settings.body_seconds)
    app = Glimpse.to_asgi()  # type: ignore[attr-defined]  # a Service, not a class
    return Edge(app, Glimpse, settings.log_requests, open_trace(), living(settings.drain_seconds))
