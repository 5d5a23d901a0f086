"""What the descriptions of all row protocols share: pictures in, predictions out."""

from typing import Any

from service.answers import ClassAnswer, ClassFacts, PictureProblem, PriceAnswer, PriceFacts
from service.http.bodies.body import MAX_BATCH_PICTURES
from service.http.openapi.examples import BROKEN, CLASS_FACTS, SOURCE
from service.http.openapi.schemas import BINARY, REFERENCE, json_body, readable_bytes, schema
from service.protocols.base64_picture import EXAMPLE
from service.settings import Settings


def component(name: str) -> dict[str, str]:
    """A reference to a schema of SCHEMAS, here or in the module of a protocol."""
    return {"$ref": REFERENCE.format(model=name)}


def table(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """The schema of an object; all of its properties are required unless some are named."""
    return {"type": "object", "properties": properties, "required": list(required or properties)}


TEXT = {"type": "string"}
BASE64 = TEXT | {"description": "The bytes of a picture in base64, or a data URL. No address is fetched."}
PICTURE = component("PictureItem")
PICTURES = {"type": "array", "items": PICTURE, "minItems": 1, "maxItems": MAX_BATCH_PICTURES}
PREDICTIONS = {"type": "array", "items": component("Prediction")}

MODEL = TEXT | {"description": "A model of GET /models; the default classifier without it."}
MODEL_IN_QUERY = {"name": "model", "in": "query", "description": MODEL["description"], "schema": TEXT}

SCHEMAS: dict[str, dict[str, Any]] = {
    "PictureItem": {
        "description": "A picture in base64 as text, in `b64` or in `image`.",
        "anyOf": [BASE64, component("PictureInB64"), component("PictureInImage")],
    },
    # Named, as openapi-python-client writes no classes for objects without a name in a choice like the above.
    "PictureInB64": table({"b64": BASE64}),
    "PictureInImage": table({"image": {"anyOf": [BASE64, component("PictureInB64")]}}),
    "Prediction": {
        "description": "The facts of /classify or /price, or what is wrong with this one picture.",
        "anyOf": [schema(ClassFacts), schema(PriceFacts), schema(PictureProblem)],
    },
    "Predictions": table({"predictions": PREDICTIONS, "model": TEXT, "version": TEXT}),
}
"""Components of the document, by name."""

PICTURES_SENT = [EXAMPLE, {"b64": EXAMPLE[:60]}]
PREDICTED = [CLASS_FACTS, BROKEN]
ANSWER = {"predictions": PREDICTED, "model": SOURCE["model"], "version": SOURCE["version"]}

ROWS_ANSWER = component("Predictions")
BARE_ANSWERS = [schema(ClassAnswer), schema(PriceAnswer)]
"""To a body that is one picture."""

BARE_PICTURE = {"image/*": {"schema": BINARY}, "application/octet-stream": {"schema": BINARY}}


def limits(settings: Settings) -> str:
    """What a request may have, in a sentence."""
    picture, body = readable_bytes(settings.max_upload_bytes), readable_bytes(settings.max_json_bytes)
    return (
        f"A request has at most {MAX_BATCH_PICTURES} pictures and {body}, a picture at most {picture} and"
        f" {settings.max_pixels / 1e6:g} megapixels. A bad picture spoils only its own prediction."
    )


def answers(schemas: list[dict[str, Any]], example: Any) -> dict[str, Any]:
    """The successful response: a prediction for each picture, in one of several forms."""
    one_of_them = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"description": "The predictions, in order.", "content": json_body(one_of_them, example)}


def error_form(name: str, example: dict[str, Any]) -> dict[str, Any]:
    """Responses with a form of their own for all errors: the component of this name."""
    content = json_body(component(name), example)
    return {"default": {"description": "What is wrong, and what to do about it.", "content": content}}
