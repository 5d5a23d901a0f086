"""To be written."""

from collections.abc import Iterator

from service.application import Application
from service.http.endpoint import Endpoint


def endpoints(application: Application) -> Iterator[Endpoint]:
    """None yet."""
    yield from ()
