"""The calls of the model repository over HTTP: what is loaded, load this, unload that.

As in the Open Inference Protocol's extension, but that errors are problem+json and that a model only ever
comes from its file in the folder, never from the call:
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_model_repository.md
"""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import bentoml
from starlette.responses import Response

from service.errors import Forbidden, Malformed
from service.http.asgi_types import Receive, Scope
from service.http.body import RequestHead, read_body
from service.repository.watcher import ModelWatcher

PREFIX = "/v2/repository/"

_CHANGE = re.compile(PREFIX + r"models/([^/]+)/(load|unload)")

MAX_BODY_BYTES = 64 * 2**10
"""Bytes of JSON that a call carries, at most."""


@dataclass(frozen=True)
class Call:
    """label: its path without the model's name, which a client may choose at will."""

    label: str
    methods: tuple[str, ...]
    answer: Callable[[Scope, RequestHead, Receive], Awaitable[Response]]


def find(path: str) -> Call | None:
    """The call at this path, if it is one of these."""
    if path == f"{PREFIX}index":
        return Call(path, ("GET", "POST"), _index)
    matched = _CHANGE.fullmatch(path)
    if matched is None:
        return None
    name, verb = matched.groups()

    async def change(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        repository = _repository(control=True)
        if set(await _parameters(head, receive)) - {"unload_dependents"}:
            raise Malformed("A model is loaded from its file in the folder; send no `parameters`.")
        await (repository.load(name) if verb == "load" else repository.unload(name))
        return Response()

    return Call(f"{PREFIX}models/{{name}}/{verb}", ("POST",), change)


async def _index(scope: Scope, head: RequestHead, receive: Receive) -> Response:
    only_ready = (await _json(head, receive)).get("ready") is True
    entries = [entry.model_dump() for entry in await _repository().index()]
    if only_ready:
        entries = [entry for entry in entries if entry["state"] == "READY"]
    return Response(json.dumps(entries), media_type="application/json")


def _repository(control: bool = False) -> ModelWatcher:
    glimpse = bentoml.get_current_service()
    if control and not glimpse.settings.model_control:
        raise Forbidden("Models are not changed over HTTP here; GLIMPSE_MODEL_CONTROL=true allows it.")
    repository: ModelWatcher = glimpse.repository
    return repository


async def _parameters(head: RequestHead, receive: Receive) -> dict[str, Any]:
    parameters = (await _json(head, receive)).get("parameters", {})
    if not isinstance(parameters, dict):
        raise Malformed("`parameters` must be a JSON object.")
    return parameters


async def _json(head: RequestHead, receive: Receive) -> dict[str, Any]:
    """The body, an object; an empty one stands for one without members."""
    with bentoml.get_current_service().room.reserve(MAX_BODY_BYTES) as reservation:
        body = await read_body(head, receive, reservation)
    try:
        sent = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        sent = None
    if not isinstance(sent, dict):
        raise Malformed("Send a JSON object, or no body at all.")
    return sent
