"""The files of the page, which lie beside this module in page/."""

from pathlib import Path

from starlette.responses import FileResponse

PAGE = Path(__file__).parents[2] / "page"
PAGE_FILES = {"/": "index.html", "/page.js": "page.js", "/page.css": "page.css"}
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",  # a new release must not meet an old script
    "Referrer-Policy": "no-referrer",
}


def page_file(path: str) -> FileResponse:
    """path: of a request, one of PAGE_FILES."""
    return FileResponse(PAGE / PAGE_FILES[path], headers=PAGE_HEADERS)
