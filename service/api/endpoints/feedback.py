"""POST /feedback: what was true of a picture that was answered, for the prediction log.

Whether there was such a request is not checked: it may have been another worker's, or lie in a file that was
archived. The evaluation counts unmatched feedback (training/evaluation/online.py).
"""

import queue

from pydantic import ValidationError
from starlette.responses import Response

from models.prediction_record import Truth
from service.application import Application
from service.errors import Malformed, NotLogged, Overloaded
from service.http.asgi_types import Receive, Scope
from service.http.bodies.body import RequestHead, read_body
from service.http.endpoint import Respond

MAX_BODY_BYTES = 4 * 2**10

USAGE = (
    'Send {"request_id": "...", "truth": "7"} as application/json, or "truth": 23500 for a price, and'
    ' "index": 0 for the first picture of a batch call.'
)


def respond(application: Application) -> Respond:
    """The endpoint: 202 with what was understood."""

    async def post_feedback(scope: Scope, head: RequestHead, receive: Receive) -> Response:
        log = application.prediction_log
        if log is None:
            raise NotLogged(
                "Nothing is logged here; the operator has to set GLIMPSE_PREDICTION_LOG to a folder."
            )
        # A form on another site's page can send other types without the browser asking first.
        content_type, _ = head.content_type
        if content_type != b"application/json":
            raise Malformed(USAGE)
        try:
            with application.upload_budget.reserve(MAX_BODY_BYTES) as reservation:
                truth = Truth.model_validate_json(await read_body(head, receive, reservation))
        except ValidationError as error:
            wrong = {str(e["loc"][0]) for e in error.errors() if e["loc"]} & set(Truth.model_fields)
            fields = f" Wrong or missing: {', '.join(sorted(wrong))}." if wrong else ""
            raise Malformed(USAGE + fields) from None
        try:
            log.log_feedback(truth)
        except queue.Full:
            raise Overloaded("The prediction log cannot keep up; try again.") from None
        return Response(truth.model_dump_json(exclude_none=True), 202, media_type="application/json")

    return post_feedback
