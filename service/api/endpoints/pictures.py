"""The calls that take pictures: one, or many in one request."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from pydantic import BaseModel
from starlette.responses import Response

from service.application import Application
from service.http.asgi_types import Message, Receive, Scope
from service.http.bodies.body import RequestHead, read_form, read_pictures
from service.http.disconnect import cancel_on_disconnect
from service.http.endpoint import Respond

Call = Callable[[Any, str | None], Coroutine[Any, Any, BaseModel]]
"""A method of the predictor: (image or images, name of the model) -> the answer."""


def respond_one(application: Application, call: Call) -> Respond:
    """POST with one picture: the rate, the budget, the form, the call, JSON."""
    settings = application.settings

    async def respond(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        if application.rate_limiter.enabled:
            application.rate_limiter.charge(application.client_of(scope, head))
        with application.upload_budget.reserve(settings.max_upload_bytes) as reservation:
            form = await read_form(head, receive, reservation)
            return _json(await cancel_on_disconnect(scope, receive, call(form.image, form.model)))

    return respond


def respond_batch(application: Application, call: Call) -> Respond:
    """POST with many pictures, which are worked on while the others arrive."""
    settings = application.settings

    async def respond(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        client = application.client_of(scope, head)
        application.rate_limiter.charge(client)
        complete = asyncio.Event()

        async def images() -> AsyncIterator[bytes]:
            yield first.image
            async for form in forms:
                application.rate_limiter.charge_extra(client)
                yield form.image
            complete.set()

        async def receive_after_body() -> Message:
            await complete.wait()  # until then it is the reading of the form that notices a disconnect
            return await receive()

        with application.upload_budget.reserve(settings.max_batch_bytes) as reservation:
            forms = read_pictures(head, receive, reservation, settings.max_upload_bytes)
            first = await anext(forms)
            return _json(await cancel_on_disconnect(scope, receive_after_body, call(images(), first.model)))

    return respond


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(), media_type="application/json")
