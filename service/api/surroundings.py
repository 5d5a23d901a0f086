"""What stands around the edge, only where settings ask for it: each layer costs every request something."""

from starlette.middleware.cors import CORSMiddleware

from service.http.asgi_types import App
from service.http.forwarded import Forwarded
from service.settings import Settings

ALLOWED_HEADERS = (
    "Authorization", "Content-Type", "X-API-Key", "X-Request-ID", "Inference-Header-Content-Length",
)  # fmt: skip
EXPOSED_HEADERS = ("Server-Timing", "X-Request-ID", "Retry-After", "Inference-Header-Content-Length")

PREFLIGHT_S = 600
"""How long a browser may remember what a page is allowed."""


def around(app: App, settings: Settings) -> App:
    """The application, with what pages of other origins and proxies in front of it need."""
    if settings.cors_origins:
        app = CORSMiddleware(
            app,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=ALLOWED_HEADERS,
            expose_headers=EXPOSED_HEADERS,
            max_age=PREFLIGHT_S,
        )
    return Forwarded(app, settings) if settings.trusted_proxies or settings.root_path else app
