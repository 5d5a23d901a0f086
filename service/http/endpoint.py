"""An endpoint: what answers the requests for one path."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from service.errors import MethodNotAllowed, Problem
from service.http import problems
from service.http.asgi_types import Receive, Scope
from service.http.bodies.body import RequestHead
from service.monitoring import request_context

READ = ("GET", "HEAD")

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
        takes: Which requests it answers where other endpoints have the same path; None: all that are left.
        openapi: For /docs.json, OpenAPI's Operation Object of its methods: tags, summary, requestBody,
            responses. What is left out is added: operationId, the parameters of the path, the errors; a
            `default` among the responses is the form of all errors, where it is not problem+json.
    """

    path: str
    methods: tuple[str, ...]
    respond: Respond
    traced: bool = False
    is_open: bool = False
    render: Render = problems.render
    takes: Callable[[RequestHead], bool] | None = None
    openapi: Mapping[str, Any] | None = None

    def check_method(self, method: str, path: str) -> None:
        """Raise MethodNotAllowed where the endpoint does not answer this method."""
        if method not in self.methods:
            allowed = ", ".join(self.methods)
            raise MethodNotAllowed(f"{path} answers {allowed}, not {method}.", allowed)


def shared(endpoints: Sequence[Endpoint]) -> Endpoint:
    """One endpoint for a path that several share: each request goes to the first that takes it.

    Its errors have the form of the endpoint that it went to.

    Raises:
        ValueError: Two of them want all requests with one method.
    """
    first, *others = endpoints
    if not others:
        return first
    ordered = sorted(endpoints, key=lambda endpoint: endpoint.takes is None)
    greedy = [method for endpoint in ordered if endpoint.takes is None for method in endpoint.methods]
    if len(greedy) != len(set(greedy)):
        raise ValueError(f"two endpoints at {first.path}")

    async def respond(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        able = [endpoint for endpoint in ordered if scope["method"] in endpoint.methods]
        taken = (endpoint for endpoint in able if endpoint.takes is None or endpoint.takes(head))
        endpoint = next(taken, able[-1])
        try:
            return await endpoint.respond(scope, head, receive)
        except Problem as problem:
            return endpoint.render(problem, request_context.request_id())

    return Endpoint(
        first.path,
        tuple(dict.fromkeys(method for endpoint in ordered for method in endpoint.methods)),
        respond,
        traced=any(endpoint.traced for endpoint in endpoints),
        is_open=all(endpoint.is_open for endpoint in endpoints),
    )
