"""POST /v2/models/NAME/infer: pixels or pictures in, the outputs of a model out."""

from collections.abc import Iterator

import numpy as np
from starlette.responses import Response

from models.card import Outputs
from service.answers import PictureProblem
from service.application import Application
from service.errors import Problem
from service.http.asgi_types import Receive, Scope
from service.http.bodies.body import RequestHead
from service.http.endpoint import Endpoint, Respond
from service.http.problems import render_error
from service.protocols.intake import Intake
from service.protocols.open_inference import tensors
from service.protocols.open_inference.request import (
    MAX_TENSOR_PICTURES,
    InferRequest,
    begins_as_picture,
    json_length,
    read_raw,
    read_request,
)
from service.protocols.open_inference.response import infer_response
from service.protocols.open_inference.served import MODEL, VERSION, served_engine
from service.protocols.openapi import open_inference as openapi


class FailedPicture(Problem):
    """What is wrong with one picture; the request fails as a whole, as the protocol knows no other way."""

    def __init__(self, index: int, failed: PictureProblem) -> None:
        super().__init__(f"picture[{index}]: {failed.error.detail}")
        self.status, self.title = failed.error.status, failed.error.title
        if self.status == 503:
            self.headers["Retry-After"] = "1"


def endpoints(application: Application) -> Iterator[Endpoint]:
    """POST .../infer of each model, with and without its version."""
    description = openapi.infer(application.settings, MAX_TENSOR_PICTURES)
    for path in (f"{MODEL}/infer", f"{VERSION}/infer"):
        respond = _respond(application, path)
        yield Endpoint(path, ("POST",), respond, traced=True, render=render_error, openapi=description)


def _respond(application: Application, call: str) -> Respond:
    settings = application.settings

    async def respond(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        served_engine(application, scope)
        length = json_length(head.headers)
        intake = Intake(application, scope, head, receive)
        async with intake.body(
            settings.max_json_bytes if length is None else settings.max_batch_bytes
        ) as body:
            # Again: it may have been replaced while the body came. What is asked below asks this one.
            card = served_engine(application, scope).card
            # A picture is no JSON: it needs no header that says so.
            if length == 0 or (length is None and begins_as_picture(body)):
                request = read_raw(body, card)
            else:
                request = read_request(body, length, card, settings.max_json_bytes)
            return infer_response(
                request, card, await _outputs(intake, call, request, settings.max_upload_bytes)
            )

    return respond


async def _outputs(intake: Intake, call: str, request: InferRequest, max_picture_bytes: int) -> Outputs:
    """The outputs of the graph, each (N, ...), by the model of the intake's path."""
    if request.pixels is not None:
        return await intake.infer(request.pixels, intake.model)
    pictures = request.pictures or ()
    tensors.check_sizes(pictures, max_picture_bytes)
    if len(pictures) == 1:
        row = (await intake.predict(call, pictures[0], intake.model)).outputs
        return {name: value[np.newaxis] for name, value in row.items()}
    rows = []
    for index, predicted in enumerate(await intake.predict_each(call, pictures, intake.model)):
        if isinstance(predicted, PictureProblem):
            raise FailedPicture(index, predicted)
        rows.append(predicted.outputs)
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
