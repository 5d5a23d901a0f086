"""POST /feedback: what was true of a picture that was answered, for the prediction log.

Whether there was such a request is not asked here: it may have been another worker's, or lie in a file
that was archived. Who joins the log counts what fits nothing (training/evaluation/online.py).
"""

import queue

import bentoml
from pydantic import ValidationError
from starlette.responses import Response

from models.prediction_record import Truth
from service.errors import Malformed, NotLogged, Overloaded
from service.http.asgi_types import Receive, Scope
from service.http.body import RequestHead, read_body

MAX_BODY_BYTES = 4 * 2**10
"""Bytes of one feedback, at most."""

USAGE = (
    'Send {"request_id": "...", "truth": "7"} as application/json, or "truth": 23500 for a price, and'
    ' "index": 0 for the first picture of a batch call.'
)


async def post_feedback(scope: Scope, head: RequestHead, receive: Receive) -> Response:
    """202 with what was understood. Raises NotLogged, Malformed, TooLarge or Overloaded."""
    glimpse = bentoml.get_current_service()
    log = glimpse.prediction_log
    if log is None:
        raise NotLogged("Nothing is logged here; the operator has to set GLIMPSE_PREDICTION_LOG to a folder.")
    # A form on somebody else's page can send other types without asking.
    content_type, _ = head.content_type
    if content_type != b"application/json":
        raise Malformed(USAGE)
    try:
        with glimpse.room.reserve(MAX_BODY_BYTES) as reservation:
            truth = Truth.model_validate_json(await read_body(head, receive, reservation))
    except ValidationError as error:
        wrong = {str(e["loc"][0]) for e in error.errors() if e["loc"]} & set(Truth.model_fields)
        named = f" Wrong or missing: {', '.join(sorted(wrong))}." if wrong else ""
        raise Malformed(USAGE + named) from None
    try:
        log.log_feedback(truth)
    except queue.Full:
        raise Overloaded("The prediction log cannot keep up; try again.") from None
    return Response(truth.model_dump_json(exclude_none=True), 202, media_type="application/json")
