"""Problems on the wire: application/problem+json (RFC 9457)."""

import json
from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from service.errors import Problem

PROBLEM_JSON = "application/problem+json"


class ProblemBody(BaseModel):
    """What is wrong and what to do about it (RFC 9457)."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    # The status says it all, as section 4.2.1 allows.
    type: Literal["about:blank"]
    title: str
    status: int
    detail: str
    error: str
    """The detail once more, for clients of other protocols, which print this member."""
    request_id: str


def problem_response(
    status: int, title: str, detail: str, request_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    """A response with this problem as its body."""
    # Not validated: a detail may quote text of a client that is not valid Unicode.
    body = ProblemBody.model_construct(
        type="about:blank", title=title, status=status, detail=detail, error=detail, request_id=request_id
    )
    content = json.dumps(vars(body), ensure_ascii=False).encode("utf-8", "replace")
    return Response(content, status, headers, PROBLEM_JSON)


def render_error(problem: Problem, request_id: str) -> Response:
    """The form that the protocols of KServe have for errors; the id of the request is in a header."""
    content = json.dumps({"error": problem.detail})
    return Response(content, problem.status, problem.headers, "application/json")


def render(problem: Problem, request_id: str) -> Response:
    """The response that tells a client of a problem."""
    return problem_response(problem.status, problem.title, problem.detail, request_id, problem.headers)
