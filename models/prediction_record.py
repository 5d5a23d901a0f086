"""The records of a prediction log: predictions, and truths from clients.

The service writes them; training/evaluation/online.py and training/custom/growing/harvest.py read them.
JSON Lines: https://jsonlines.org
"""

from typing import Annotated

from pydantic import AwareDatetime, Field, StrictStr, TypeAdapter

from models.value import Value

REQUEST_ID = r"^[A-Za-z0-9._:-]{1,128}$"
"""Safe to log and to echo."""

PICTURES_FOLDER = "pictures"
"""Beside the log's files: each kept upload, in a file named by its sha256."""

RequestId = Annotated[StrictStr, Field(pattern=REQUEST_ID)]
Index = Annotated[int, Field(ge=0, lt=2**16, strict=True)]


class ClassAnswered(Value):
    """The most probable class and its probability, 0 to 1."""

    label: str
    probability: float


class PriceAnswered(Value):
    """A price and its interval, in the currency of the model's card."""

    price: float
    low: float
    high: float


class Prediction(Value):
    """The prediction for one picture.

    Attributes:
        index: Position among the pictures of a batch call; None for a call with one picture.
        familiarity: 0 to 1, the number that `familiar` is decided by.
        stages: Milliseconds by stage of the request.
        picture: sha256 of the upload in hex, where uploads are kept.
    """

    time: AwareDatetime
    request_id: RequestId
    index: Index | None = None
    call: str
    model: str
    version: str
    answer: ClassAnswered | PriceAnswered
    familiar: bool
    familiarity: float
    stages: dict[str, float]
    picture: str | None = None


class Truth(Value):
    """The truth about one picture, as a client reports it.

    Attributes:
        index: Position among the pictures of a batch call.
        truth: The label, or the price in the currency of the model's card.
    """

    request_id: RequestId
    index: Index | None = None
    truth: (
        Annotated[StrictStr, Field(min_length=1, max_length=100)] | Annotated[float, Field(gt=0, strict=True)]
    )


class Feedback(Truth):
    """A truth in the log, with the time it was received."""

    time: AwareDatetime


class FeedbackLine(Value):
    """A line with feedback; its one key tells it from a prediction."""

    feedback: Feedback


_LINE: TypeAdapter[Prediction | FeedbackLine] = TypeAdapter(Prediction | FeedbackLine)


def read_line(line: bytes) -> Prediction | FeedbackLine:
    """Parse one line of the log.

    Raises:
        pydantic.ValidationError: It is neither a prediction nor feedback.
    """
    return _LINE.validate_json(line)


def write_line(line: Prediction | FeedbackLine) -> str:
    """The line's JSON, without a newline and without fields that are None."""
    return line.model_dump_json(exclude_none=True)
