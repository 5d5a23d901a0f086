"""The calls of the model repository: what is loaded, load this, unload that.

As in the Open Inference Protocol's extension, except that errors are problem+json and that a model only ever
comes from its file in the folder, never from the call:
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
"""

import json
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from starlette.responses import Response

from service.application import Application
from service.errors import Forbidden, Malformed
from service.http.asgi_types import Receive, Scope
from service.http.bodies.body import RequestHead, read_body
from service.http.endpoint import Endpoint, Respond

INDEX = "/v2/repository/index"

MAX_BODY_BYTES = 64 * 2**10
"""Of the JSON that a call carries."""

Change = Callable[[str], Awaitable[None]]
"""Of the model of this name."""


def endpoints(application: Application) -> Iterator[Endpoint]:
    """The three calls."""

    async def index(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        only_ready = (await _json(application, head, receive)).get("ready") is True
        entries = [entry.model_dump() for entry in await application.watcher.index()]
        if only_ready:
            entries = [entry for entry in entries if entry["state"] == "READY"]
        return Response(json.dumps(entries), media_type="application/json")

    yield Endpoint(INDEX, ("GET", "POST"), index)
    for verb, change in (("load", application.watcher.load), ("unload", application.watcher.unload)):
        yield Endpoint(f"/v2/repository/models/{{name}}/{verb}", ("POST",), _respond(application, change))


def _respond(application: Application, change: Change) -> Respond:
    async def respond(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        if not application.settings.model_control:
            raise Forbidden("Models are not changed over HTTP here; GLIMPSE_MODEL_CONTROL=true allows it.")
        parameters = (await _json(application, head, receive)).get("parameters", {})
        if not isinstance(parameters, dict):
            raise Malformed("`parameters` must be a JSON object.")
        if set(parameters) - {"unload_dependents"}:
            raise Malformed("A model is loaded from its file in the folder; send no `parameters`.")
        await change(scope["path_params"]["name"])
        return Response()

    return respond


async def _json(application: Application, head: RequestHead, receive: Receive) -> dict[str, Any]:
    """The object in the body; an empty body stands for an empty object."""
    with application.upload_budget.reserve(MAX_BODY_BYTES) as reservation:
        body = await read_body(head, receive, reservation)
    try:
        sent = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        sent = None
    if not isinstance(sent, dict):
        raise Malformed("Send a JSON object, or no body at all.")
    return sent
