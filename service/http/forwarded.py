"""What a proxy in front says of a request: the client's address, and the path it shows the service under."""

import ipaddress
from collections.abc import Sequence

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from service.http.asgi_types import App, Receive, Scope, Send
from service.settings import Settings, is_root_path

PREFIX = "x-forwarded-prefix"


class Forwarded:
    """Around an application: gives each request the client's address, and takes the root path from its path.

    A proxy may pass on /glimpse/classify, or take /glimpse away first: both end at /classify.
    """

    def __init__(self, app: App, settings: Settings) -> None:
        trusted = settings.trusted_proxies
        self._app: App = ProxyHeadersMiddleware(app, trusted) if trusted else app  # type: ignore[arg-type, assignment]
        self._root_path = settings.root_path
        self._is_any_trusted = trusted == "*"
        self._trusted = [] if self._is_any_trusted else _networks(trusted.split(","))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on the lifespan."""
        if scope["type"] == "http" and (root_path := self._root_path_of(scope)):
            scope = {**scope, "root_path": root_path}
            path = scope["path"]
            if path == root_path:
                # The addresses in the page are relative to the folder that it lies in.
                await RedirectResponse(f"{root_path}/", 308)(scope, receive, send)
                return
            if path.startswith(f"{root_path}/"):
                scope["path"] = path[len(root_path) :]
        await self._app(scope, receive, send)

    def _root_path_of(self, scope: Scope) -> str:
        said = Headers(scope=scope).get(PREFIX, "").rstrip("/") if self._trusts(scope) else ""
        return said if said and is_root_path(said) else self._root_path

    def _trusts(self, scope: Scope) -> bool:
        if not self._trusted:
            return self._is_any_trusted
        try:
            address = ipaddress.ip_address(scope["client"][0])
        except (TypeError, ValueError):  # a socket of the file system has no address
            return False
        return any(address in network for network in self._trusted)


def _networks(texts: Sequence[str]) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """Those that are addresses or networks; uvicorn takes other words too, which no address matches."""
    networks = []
    for text in texts:
        try:
            networks.append(ipaddress.ip_network(text.strip()))
        except ValueError:
            continue
    return networks
