"""The model that a path names, and how the protocol tells of problems."""

import json
from typing import Any

from starlette.responses import Response

from service.application import Application
from service.errors import UnknownModel
from service.http.asgi_types import Scope
from service.inference.engine import Engine

MODEL = "/v2/models/{name}"
VERSION = MODEL + "/versions/{version}"


def served_engine(application: Application, scope: Scope) -> Engine[Any]:
    """The model that a path names; its version, where there is one, must be the one that is served.

    Raises:
        UnknownModel: It is not served, or in another version.
        NotReady: No model could be opened.
    """
    wanted = scope["path_params"]
    engine = application.catalog.engine(wanted["name"])
    version = wanted.get("version")
    if version is not None and version != engine.card.version:
        name = engine.card.name
        raise UnknownModel(f"{name} is served in version {engine.card.version} only, not {version[:64]!r}.")
    return engine


def json_response(value: Any) -> Response:
    """A response with JSON."""
    return Response(json.dumps(value), media_type="application/json")
