"""The files of the page, which lie in service/page."""

from pathlib import Path

from starlette.responses import FileResponse, Response

from service.http.asgi_types import Receive, Scope
from service.http.bodies.body import RequestHead

PAGE = Path(__file__).parents[2] / "page"
STYLES = ("page.css", "docs.css")
SCRIPTS = ("page.js", "answer.js", "dom.js", "format.js", "service.js", "docs.js", "openapi.js")

PAGE_FILES = {"/": "index.html", "/docs": "docs.html"} | {f"/{name}": name for name in STYLES + SCRIPTS}
"""The file of each path, all of them named, so that nothing else in the folder is ever served."""

PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",  # a new release must not meet an old script
    "Referrer-Policy": "no-referrer",
}


async def respond(scope: Scope, head: RequestHead, receive: Receive) -> Response:
    """The file at the path of the request, which is one of PAGE_FILES."""
    return FileResponse(PAGE / PAGE_FILES[scope["path"]], headers=PAGE_HEADERS)
