"""Open Inference Protocol v2 over HTTP, with Triton's extensions for binary tensors, classes and statistics.

Each model has two inputs, of which a request sends one: `pixels` as its view makes them, or `picture`, files
that are decoded and viewed here.
Sources: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
and https://github.com/triton-inference-server/server/tree/main/docs/protocol
"""

from collections.abc import Iterator

from service.application import Application
from service.http.endpoint import Endpoint
from service.protocols.open_inference import health, infer, metadata, statistics


def endpoints(application: Application) -> Iterator[Endpoint]:
    """All under /v2 but the repository, which service/api/endpoints/repository.py has."""
    for part in (health, metadata, statistics, infer):
        yield from part.endpoints(application)
