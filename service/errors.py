"""Everything that can be wrong with a request, as exceptions.

Problem
├── Malformed           400  no form, a missing or repeated field
├── Unauthorised        401  no valid API key
├── Forbidden           403  a call that is switched off
├── UnknownModel        404  no such model, or one of another task
├── NotLogged           404  feedback without a prediction log
├── NotFound            404  no such path
├── MethodNotAllowed    405  the path answers another method
├── TooLarge            413  too many bytes or pixels
├── UnsupportedPicture  415  not a picture format that is opened
├── UnsupportedCoding   415  a Content-Encoding that is not inflated
├── BrokenPicture       422  a picture that does not decode
├── ModelRefused        422  a model file that must not be used
├── RateLimited         429  with Retry-After: above the rate of one client
├── InternalError       500  a fault of the service, never of the sender
├── Overloaded          503  with Retry-After, in seconds
├── NotReady            503  models are not open, or the process ends
└── DeadlinePassed      504

Their form on the wire is service/http/problems.py.
"""

from collections.abc import Mapping

from models.image.decode import PictureError


class Problem(Exception):
    """What is wrong with one request.

    Attributes:
        status: HTTP status code.
        title: The kind of problem, the same for every instance of a class.
        detail: A sentence that tells the sender what to do.
        headers: More headers of the response.
    """

    status = 500
    title = "Internal error"

    def __init__(self, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = dict(headers or {})


class Malformed(Problem):
    """400: the form is broken, or a field is missing or repeated."""

    status, title = 400, "Malformed request"


class Unauthorised(Problem):
    """401: keys are set, and the request has none of them."""

    status, title = 401, "Unauthorised"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, {"WWW-Authenticate": "Bearer"})


class Forbidden(Problem):
    """403: the call is switched off by a setting."""

    status, title = 403, "Forbidden"


class UnknownModel(Problem):
    """404: there is no such model, or it has another task."""

    status, title = 404, "Unknown model"


class NotLogged(Problem):
    """404: there is no prediction log that feedback could go to."""

    status, title = 404, "No prediction log"


class NotFound(Problem):
    """404: nothing is at this path."""

    status, title = 404, "Not Found"


class MethodNotAllowed(Problem):
    """405: the path answers other methods, which Allow lists."""

    status, title = 405, "Method Not Allowed"

    def __init__(self, detail: str, allowed: str) -> None:
        super().__init__(detail, {"Allow": allowed})


class TooLarge(Problem):
    """413: too many bytes, pixels, parts or pictures."""

    status, title = 413, "Too large"


class UnsupportedPicture(Problem):
    """415: not a picture format that is opened."""

    status, title = 415, "Not a supported picture"


class UnsupportedCoding(Problem):
    """415: the body is compressed in a way that is not inflated; Accept-Encoding says which are."""

    status, title = 415, "Not a supported coding"

    def __init__(self, detail: str, accepted: str) -> None:
        super().__init__(detail, {"Accept-Encoding": accepted})


class BrokenPicture(Problem):
    """422: a picture of a known format that does not decode."""

    status, title = 422, "Broken picture"


class ModelRefused(Problem):
    """422: a model file that must not be used."""

    status, title = 422, "Model refused"


class RateLimited(Problem):
    """429: the client sends more pictures per second than it may."""

    status, title = 429, "Too many requests"

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail, {"Retry-After": str(retry_after)})


class InternalError(Problem):
    """500: a fault of the service, never of the sender."""

    status, title = 500, "Internal error"


class Overloaded(Problem):
    """503: no capacity just now; Retry-After says when there may be some."""

    status, title = 503, "Overloaded"

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail, {"Retry-After": str(retry_after)})


class NotReady(Problem):
    """503: no model can be asked in this process."""

    status, title = 503, "Not ready"


class DeadlinePassed(Problem):
    """504: the picture waited or ran longer than it may."""

    status, title = 504, "Deadline passed"


_PICTURE_PROBLEMS: Mapping[str, type[Problem]] = {
    "format": UnsupportedPicture,
    "size": TooLarge,
    "content": BrokenPicture,
}


def picture_problem(error: PictureError) -> Problem:
    """The problem that says what is wrong with a picture."""
    return _PICTURE_PROBLEMS[error.reason](str(error))
