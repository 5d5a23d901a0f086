"""What every response has when it leaves, also those of BentoML."""

from http import HTTPStatus

from starlette.responses import Response

from service.http.asgi_types import Message, Scope, Send
from service.http.problems import PROBLEM_JSON, problem_response
from service.monitoring import request_context

NOSNIFF = (b"x-content-type-options", b"nosniff")

DETAILS = {
    HTTPStatus.NOT_FOUND: "There is nothing here; POST a picture to /classify or /price, or GET /models.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address answers another method; see the Allow header.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The service is not ready to answer; ask /readyz again shortly.",
}


def response_headers(request_id: str) -> list[tuple[bytes, bytes]]:
    """The headers that every response has."""
    timing = request_context.server_timing(request_context.total())
    return [(b"x-request-id", request_id.encode()), (b"server-timing", timing.encode()), NOSNIFF]


def rewrite_errors(send: Send, scope: Scope, request_id: str) -> Send:
    """Turn the error bodies of BentoML (text, JSON lists) into problem+json."""
    problem: Response | None = None

    async def rewriting(message: Message) -> None:
        nonlocal problem
        if message["type"] == "http.response.start":
            headers = dict(message["headers"])
            if message["status"] >= 400 and headers.get(b"content-type") != PROBLEM_JSON.encode():
                status = HTTPStatus(message["status"])
                detail = DETAILS.get(status, status.description) or status.phrase
                allow = {"Allow": headers[b"allow"].decode()} if b"allow" in headers else None
                problem = problem_response(status, status.phrase, detail, request_id, allow)
                problem.raw_headers.extend(response_headers(request_id))
                return
            message["headers"] = [*message["headers"], *response_headers(request_id)]
        if problem is None:
            await send(message)
        elif not message.get("more_body", False):
            await problem(scope, _no_request, send)

    return rewriting


async def _no_request() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}
