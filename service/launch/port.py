"""The port to listen on: the one that is told, or the one that the platform expects."""

from collections.abc import Mapping

DEFAULT = 3000

ANNOUNCED = ("SAGEMAKER_BIND_TO_PORT", "AIP_HTTP_PORT", "PORT")
"""Variables in which platforms say it: SageMaker, Vertex AI, Cloud Run and others."""

SERVE = "serve"
"""The word that SageMaker starts every image with; it then expects port 8080 unless it says otherwise."""
SERVE_PORT = 8080


class PortError(Exception):
    """A variable does not hold a port; the message names it."""


def default_port(environment: Mapping[str, str], word: str | None = None) -> int:
    """The port where none is told.

    Args:
        environment: Of the process.
        word: That the service was started with.

    Raises:
        PortError: One of ANNOUNCED is no port.
    """
    for name in ANNOUNCED:
        if text := environment.get(name):
            if not (text.isascii() and text.isdecimal()) or not 0 < int(text) < 65536:
                raise PortError(f"{name} is {text!r}, which is no port.")
            return int(text)
    return SERVE_PORT if word == SERVE else DEFAULT
