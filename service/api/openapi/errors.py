"""What can go wrong with a call: a response for each status, with the problems that have it as examples."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from service.errors import (
    BrokenPicture,
    DeadlinePassed,
    Forbidden,
    InternalError,
    Malformed,
    ModelRefused,
    NotLogged,
    NotReady,
    Overloaded,
    Problem,
    RateLimited,
    TooLarge,
    Unauthorised,
    UnknownModel,
    UnsupportedPicture,
)
from service.http.openapi.schemas import schema
from service.http.problems import PROBLEM_JSON, ProblemBody, problem_response


class SlowRequest(Problem):
    """408, from the connection: the request took too long to arrive."""

    status, title = 408, "Request Timeout"


class LargeHead(Problem):
    """431, from the connection: the head is too large."""

    status, title = 431, "Request Header Fields Too Large"


EXAMPLES: Mapping[type[Problem], str] = {
    Malformed: "The field `image` is missing; send the picture in it (curl -F image=@picture.jpg).",
    Unauthorised: "This service asks for a key; send it as `Authorization: Bearer KEY` or `X-API-Key: KEY`.",
    Forbidden: "Models are not changed over HTTP here; GLIMPSE_MODEL_CONTROL=true allows it.",
    UnknownModel: "There is no classifier 'digits-cnnn' here; there are: digits-cnn, digits-mlp.",
    NotLogged: "Nothing is logged here; the operator has to set GLIMPSE_PREDICTION_LOG to a folder.",
    SlowRequest: "The body of the request took too long to arrive; send it again.",
    TooLarge: "The picture has more than 50 megapixels; scale it down.",
    UnsupportedPicture: "This is not a picture; send one of PNG, JPEG, WEBP, GIF, BMP, TIFF, HEIF, AVIF.",
    BrokenPicture: "The picture breaks off or is broken. Save it again.",
    ModelRefused: "digits-cnn.onnx carries no card.",
    RateLimited: "One client may send 5 pictures per second here; wait 1 s.",
    LargeHead: "The head of a request has at most 65,536 bytes; send fewer headers.",
    InternalError: "The server could not answer; quote request 9f8e7d6c to its operator.",
    Overloaded: "digits-cnn could not answer in time; try again in 1 s.",
    NotReady: "The service is not ready to answer; ask /readyz again shortly.",
    DeadlinePassed: "digits-cnn did not get to this picture in time.",
}
"""A detail of each problem."""

Problems = tuple[type[Problem], ...]

ANY_ERRORS: Problems = (Malformed, LargeHead, InternalError, Overloaded)
"""Of any call at all: what is no HTTP, and a process with too much to do."""

GET_ERRORS: Problems = (*ANY_ERRORS, Unauthorised, UnknownModel, NotReady)
"""Of a call that asks for facts of a model."""

BODY_ERRORS: Problems = (*ANY_ERRORS, Unauthorised, SlowRequest, TooLarge)
"""Of a call with a body."""

PICTURES_ERRORS: Problems = (*BODY_ERRORS, UnknownModel, RateLimited, NotReady)
"""Of a call with many pictures, each with an error of its own."""

PICTURE_ERRORS: Problems = (*PICTURES_ERRORS, UnsupportedPicture, BrokenPicture, DeadlinePassed)
"""Of a call with one picture."""

RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}


class Errors:
    """The responses that tell of problems; those that calls share are described once.

    Attributes:
        components: What `responses` refers to: #/components/responses.
    """

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}

    def responses(
        self, problems: Iterable[type[Problem]], form: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """One response for each status.

        Args:
            problems: Those that a call may have.
            form: The content of all of them; None for problem+json.
        """
        of_status: dict[int, list[type[Problem]]] = {}
        for problem in problems:
            of_status.setdefault(problem.status, []).append(problem)
        return {str(status): self._response(of_status[status], form) for status in sorted(of_status)}

    def resolved(self, response: dict[str, Any]) -> dict[str, Any]:
        """A response itself, where it is one of `components`."""
        name = response.get("$ref", "").rpartition("/")[2]
        found: dict[str, Any] = self.components[name] if name else response
        return found

    def _response(self, problems: list[type[Problem]], form: Mapping[str, Any] | None) -> dict[str, Any]:
        problems = sorted(problems, key=lambda problem: problem.__name__)
        response: dict[str, Any] = {"description": ", or ".join(problem.title for problem in problems)}
        if problems[0].status in (RateLimited.status, Overloaded.status):
            response["headers"] = RETRY_AFTER
        if form is not None:
            return response | {"content": form}
        examples = {
            problem.__name__: {"summary": problem.title, "value": _body(problem)} for problem in problems
        }
        response["content"] = {PROBLEM_JSON: {"schema": schema(ProblemBody), "examples": examples}}
        name = "Or".join(examples)
        self.components[name] = response
        return {"$ref": f"#/components/responses/{name}"}


def _body(problem: type[Problem]) -> Any:
    response = problem_response(problem.status, problem.title, EXAMPLES[problem], "9f8e7d6c")
    return json.loads(bytes(response.body))
