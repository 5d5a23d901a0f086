"""Rows: many pictures as items of JSON in, one prediction for each out.

What TensorFlow Serving, KServe, Vertex AI, SageMaker and MLflow have in common. How each names its lists is
its own module's business.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from service.answers import PictureProblem
from service.application import Application
from service.errors import Malformed, Problem, TooLarge
from service.http.bodies.body import MAX_BATCH_PICTURES, RequestHead
from service.http.bodies.json_body import parse_object
from service.monitoring import request_context
from service.prediction.predictor import Predicted
from service.protocols.base64_picture import picture_name, picture_of
from service.protocols.intake import Intake

JSON = b"application/json"

MAX_VALUES = 2**17
"""In the JSON of one request: 256 rows with hundreds of columns. Thirty million lists would fit into its
bytes and take two gigabytes."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """What one model says of all rows of a request, in their order.

    Attributes:
        model: Its name.
        version: Its version.
        rows: A prediction, or what is wrong with the picture, for each.
    """

    model: str
    version: str
    rows: list[Predicted | PictureProblem]

    def as_json(self) -> list[dict[str, Any]]:
        """The facts of /classify or /price for each row, or {"error": {title, status, detail}}."""
        return [facts_of(row) for row in self.rows]

    def source(self) -> dict[str, str]:
        """What may stand beside them."""
        return {"model": self.model, "version": self.version}


async def predict(
    application: Application, intake: Intake, call: str, items: list[Any], model: str | None
) -> Predictions:
    """Ask a model about every item.

    Args:
        application: Has the models.
        intake: Of the request.
        call: The path of the endpoint.
        items: Pictures in any form of picture_of, counted already; one that is none spoils only itself.
        model: Any model; None for the default.

    Raises:
        Problem: The model is unknown.
    """
    card = application.catalog.engine(model).card
    rows = await intake.predict_each(call, _images(items, application.settings.max_upload_bytes), card.name)
    # Another version may have taken its place meanwhile.
    card = next((row.card for row in rows if isinstance(row, Predicted)), card)
    return Predictions(card.name, card.version, rows)


async def answer_one(intake: Intake, call: str, image: bytes, model: str | None) -> dict[str, Any]:
    """The answer of /classify or /price to the one picture that is the body of a request."""
    predicted = await intake.predict(call, image, model)
    card = predicted.card
    source = {"model": card.name, "version": card.version, "request_id": request_context.request_id()}
    return facts_of(predicted) | source


def facts_of(row: Predicted | PictureProblem) -> dict[str, Any]:
    """One prediction, or what is wrong with its picture, as JSON."""
    return row.model_dump() if isinstance(row, PictureProblem) else dict(vars(row.facts))


def parse(body: bytes) -> dict[str, Any]:
    """The object in a body. Raises Malformed or TooLarge."""
    return parse_object(body, MAX_VALUES)


def check_count(rows: object, member: str) -> list[Any]:
    """The rows of a request.

    Args:
        rows: What was sent as them.
        member: Where it stood.

    Raises:
        Malformed: They are no list, or an empty one.
        TooLarge: There are more than MAX_BATCH_PICTURES.
    """
    if not isinstance(rows, list) or not rows:
        raise Malformed(f"`{member}` must be a list of pictures, one at least.")
    if len(rows) > MAX_BATCH_PICTURES:
        raise TooLarge(f"One request takes at most {MAX_BATCH_PICTURES} pictures; send several.")
    return rows


def column_items(inputs: object) -> list[Any]:
    """The items of columnar JSON: a list of pictures, one picture, or an object with either under a name."""
    value = inputs[picture_name(list(inputs))] if isinstance(inputs, dict) else inputs
    return value if isinstance(value, list) else [value]


def named_model(request: dict[str, Any], member: str, head: RequestHead) -> str | None:
    """The model that the parameters of a request name, or its query; None for the default.

    Args:
        request: Its JSON.
        member: The name of its parameters.
        head: Its head.

    Raises:
        Malformed: The parameters are no object, or the name is no text.
    """
    parameters = request.get(member)
    if parameters is not None and not isinstance(parameters, dict):
        raise Malformed(f"`{member}` must be a JSON object.")
    model = (parameters or {}).get("model")
    if model is not None and not isinstance(model, str):
        raise Malformed(f"`model` in `{member}` must be the name of a model, as GET /models lists them.")
    return model or head.model


def is_json(head: RequestHead, body: bytes = b"") -> bool:
    """Whether a body is JSON by its declared type, or by how it begins: no picture begins with a brace."""
    return head.content_type[0] == JSON or body[:64].lstrip()[:1] == b"{"


def _images(items: list[Any], max_bytes: int) -> Iterator[bytes | Problem]:
    for item in items:
        try:
            image = picture_of(item)
            if len(image) > max_bytes:
                raise TooLarge(f"The picture is larger than {max_bytes:,} bytes.")
            yield image
        except Problem as problem:
            yield problem
