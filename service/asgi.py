"""The ASGI application that `python -m service` runs in each of its processes."""

from service import logs
from service.edge import Edge
from service.service import Glimpse
from service.settings import Settings


def create() -> Edge:
    """The edge around BentoML's application: what the edge answers never enters BentoML's middleware,
    which costs as much as all of ours (docs/log.md)."""
    logs.configure(Settings().log_format)
    return Edge(Glimpse.to_asgi(), Glimpse)  # type: ignore[attr-defined]  # a Service, not a class
