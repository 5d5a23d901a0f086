"""The calls of the model repository: what is loaded, load this, unload that.

As in the Open Inference Protocol's extension, except that errors are problem+json and that a model only ever
comes from its file in the folder, never from the call:
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
"""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from starlette.responses import Response

from service.application import Application
from service.errors import Forbidden, Malformed
from service.http.asgi_types import Receive, Scope
from service.http.body import RequestHead, read_body

INDEX = "/v2/repository/index"

_CHANGE = re.compile(r"/v2/repository/models/([^/]+)/(load|unload)")

MAX_BODY_BYTES = 64 * 2**10
"""Of the JSON that a call carries."""

Respond = Callable[[Scope, RequestHead, Receive], Awaitable[Response]]


@dataclass(frozen=True)
class RepositoryCall:
    """One call at one path.

    Attributes:
        label: Its path without the name of the model, which a client may choose at will.
        methods: Those it answers.
        verb: What it does.
        model: The name in the path.
    """

    label: str
    methods: tuple[str, ...]
    verb: Literal["index", "load", "unload"]
    model: str = ""

    def respond(self, application: Application) -> Respond:
        """The endpoint."""

        async def index(scope: Scope, head: RequestHead, receive: Receive) -> Response:
            only_ready = (await _json(application, head, receive)).get("ready") is True
            entries = [entry.model_dump() for entry in await application.watcher.index()]
            if only_ready:
                entries = [entry for entry in entries if entry["state"] == "READY"]
            return Response(json.dumps(entries), media_type="application/json")

        async def change(scope: Scope, head: RequestHead, receive: Receive) -> Response:
            if not application.settings.model_control:
                raise Forbidden(
                    "Models are not changed over HTTP here; GLIMPSE_MODEL_CONTROL=true allows it."
                )
            parameters = (await _json(application, head, receive)).get("parameters", {})
            if not isinstance(parameters, dict):
                raise Malformed("`parameters` must be a JSON object.")
            if set(parameters) - {"unload_dependents"}:
                raise Malformed("A model is loaded from its file in the folder; send no `parameters`.")
            watcher = application.watcher
            await (watcher.load if self.verb == "load" else watcher.unload)(self.model)
            return Response()

        return index if self.verb == "index" else change


def find(path: str) -> RepositoryCall | None:
    """The call at this path, if it is one of these."""
    if not path.startswith("/v2/repository/"):
        return None
    if path == INDEX:
        return RepositoryCall(path, ("GET", "POST"), "index")
    if (match := _CHANGE.fullmatch(path)) is None:
        return None
    verb: Literal["load", "unload"] = "load" if match[2] == "load" else "unload"
    return RepositoryCall(f"/v2/repository/models/{{name}}/{verb}", ("POST",), verb, match[1])


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
