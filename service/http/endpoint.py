"""An endpoint: what answers the requests for one path."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import Response

from service.errors import MethodNotAllowed, Problem
from service.http import problems
from service.http.asgi_types import Receive, Scope
from service.http.body import RequestHead

Respond = Callable[[Scope, RequestHead, Receive], Awaitable[Response]]
"""From a request to its response; raises Problem. The path's {name} is scope["path_params"]["name"]."""

Render = Callable[[Problem, str], Response]
"""(problem, id of the request) -> the response that tells of it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What answers a request.

    Attributes:
        path: Its path, in which {name} stands for anything but slashes. Metrics and logs name it so: what a
            client may choose at will is left out.
        methods: Those it answers.
        respond: From a request to its response.
        traced: Whether its requests become spans.
        is_open: Whether it needs no API key where keys are set.
        render: The form of its errors.
    """

    path: str
    methods: tuple[str, ...]
    respond: Respond
    traced: bool = False
    is_open: bool = False
    render: Render = problems.render

    def check_method(self, method: str, path: str) -> None:
        """Raise MethodNotAllowed where the endpoint does not answer this method."""
        if method not in self.methods:
            allowed = ", ".join(self.methods)
            raise MethodNotAllowed(f"{path} answers {allowed}, not {method}.", allowed)
