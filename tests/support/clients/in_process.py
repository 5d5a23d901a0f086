"""The protocols of a service in this process: any settings, no port, no BentoML."""

import asyncio
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from service import protocols
from service.application import Application
from service.settings import Settings

with warnings.catch_warnings():  # of what BentoML imports
    warnings.simplefilter("ignore")
    from service.api.edge import Edge
    from service.api.routes import Routes


@dataclass(frozen=True)
class Request:
    """One request: what httpx.AsyncClient.request takes."""

    method: str
    path: str
    options: dict[str, Any]


def get(path: str, **options: Any) -> Request:
    """A GET request."""
    return Request("GET", path, options)


def post(path: str, **options: Any) -> Request:
    """A POST request."""
    return Request("POST", path, options)


def ask(
    models_dir: Path,
    *requests: Request,
    before: Callable[[Application], None] = lambda application: None,
    **settings: Any,
) -> list[httpx.Response]:
    """The responses to requests, one after the other, of an application made for them.

    Args:
        models_dir: Its models.
        requests: Sent to it.
        before: Called with it first.
        **settings: Other settings.
    """

    async def nothing_else(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body"})

    async def scenario() -> list[httpx.Response]:
        application = Application.open(Settings(models_dir=models_dir, device="cpu", **settings))
        before(application)
        edge: Any = Edge(nothing_else, application, Routes(protocols.endpoints(application)))
        transport = httpx.ASGITransport(edge)
        async with httpx.AsyncClient(transport=transport, base_url="http://glimpse") as client:
            return [await client.request(one.method, one.path, **one.options) for one in requests]

    return asyncio.run(scenario())
