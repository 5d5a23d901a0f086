"""The files of the page, which lie in service/page."""

from pathlib import Path

from starlette.responses import FileResponse, Response

from service.http.asgi_types import Receive, Scope
from service.http.body import RequestHead

PAGE = Path(__file__).parents[2] / "page"
PAGE_FILES = {"/": "index.html", "/page.js": "page.js", "/page.css": "page.css"}
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",  # a new release must not meet an old script
    "Referrer-Policy": "no-referrer",
}


async def respond(scope: Scope, head: RequestHead, receive: Receive) -> Response:
    """The file at the path of the request, which is one of PAGE_FILES."""
    return FileResponse(PAGE / PAGE_FILES[scope["path"]], headers=PAGE_HEADERS)
