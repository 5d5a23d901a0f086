"""Foreign protocols: each module translates one between its wire form and the predictor.

No protocol knows another, and none knows an engine. GLIMPSE_PROTOCOLS says which are answered.
"""

from collections.abc import Callable, Iterable, Iterator

from service.application import Application
from service.http.endpoint import Endpoint
from service.protocols import hugging_face, kserve, mlflow, open_inference, sagemaker, vertex
from service.settings import Protocol

PROTOCOLS: dict[Protocol, Callable[[Application], Iterable[Endpoint]]] = {
    "kserve": kserve.endpoints,
    "vertex": vertex.endpoints,
    "sagemaker": sagemaker.endpoints,
    "mlflow": mlflow.endpoints,
    "open-inference": open_inference.endpoints,
    "hugging-face": hugging_face.endpoints,
}


def endpoints(application: Application) -> Iterator[Endpoint]:
    """Those of all protocols that are switched on."""
    for name in application.settings.protocols:
        yield from PROTOCOLS[name](application)
