"""Everything that can be wrong with a request, and its one form on the wire: RFC 9457 problem+json.

Problem
├── Malformed           400  no form, a missing or repeated field
├── Unauthorised        401  no valid API key
├── Forbidden           403  a call that is switched off
├── UnknownModel        404  no such model, or one of another task
├── NotLogged           404  feedback where there is no prediction log
├── TooLarge            413  too many bytes or pixels
├── UnsupportedPicture  415  not a picture format we open
├── BrokenPicture       422  a picture that will not decode
├── ModelRefused        422  a model file that must not be used
├── TooMany             429  with Retry-After: more than one client's rate
├── Failed              500  our fault, never the sender's
├── Overloaded          503  with Retry-After, in seconds
└── DeadlinePassed      504
"""

import json
from collections.abc import Mapping

from starlette.responses import Response

from models.image.decode import PictureError

PROBLEM_JSON = "application/problem+json"


class Problem(Exception):
    """detail says what to do about it, in a sentence for the sender."""

    status = 500
    title = "Internal error"

    def __init__(self, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})

    def response(self, request_id: str) -> Response:
        return problem_response(self.status, self.title, self.detail, request_id, self.headers)


class Malformed(Problem):
    status, title = 400, "Malformed request"


class Unauthorised(Problem):
    status, title = 401, "Unauthorised"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, {"WWW-Authenticate": "Bearer"})


class Forbidden(Problem):
    status, title = 403, "Forbidden"


class UnknownModel(Problem):
    status, title = 404, "Unknown model"


class NotLogged(Problem):
    status, title = 404, "No prediction log"


class TooLarge(Problem):
    status, title = 413, "Too large"


class UnsupportedPicture(Problem):
    status, title = 415, "Not a supported picture"


class BrokenPicture(Problem):
    status, title = 422, "Broken picture"


class ModelRefused(Problem):
    status, title = 422, "Model refused"


class RateLimited(Problem):
    status, title = 429, "Too many requests"

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail, {"Retry-After": str(retry_after)})


class InternalError(Problem):
    status, title = 500, "Internal error"


class Overloaded(Problem):
    status, title = 503, "Overloaded"

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail, {"Retry-After": str(retry_after)})


class NotReady(Problem):
    status, title = 503, "Not ready"


class DeadlinePassed(Problem):
    status, title = 504, "Deadline passed"


_PICTURE_PROBLEMS: Mapping[str, type[Problem]] = {
    "format": UnsupportedPicture,
    "size": TooLarge,
    "content": BrokenPicture,
}


def picture_problem(error: PictureError) -> Problem:
    return _PICTURE_PROBLEMS[error.reason](str(error))


def problem_response(
    status: int, title: str, detail: str, request_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    """type is about:blank: the status says it all, as RFC 9457 section 4.2.1 allows."""
    body = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request_id,
    }
    return Response(
        json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"),
        status,
        headers,
        PROBLEM_JSON,
    )
