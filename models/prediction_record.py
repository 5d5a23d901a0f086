"""The lines of a prediction log, as the service writes them and the evaluation reads them: what a model
answered, and what was true. JSON, one object on each line (https://jsonlines.org)."""

from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StrictStr, TypeAdapter

REQUEST_ID = r"^[A-Za-z0-9._:-]{1,128}$"
"""What is harmless to log and to echo."""

RequestId = Annotated[StrictStr, Field(pattern=REQUEST_ID)]
Index = Annotated[int, Field(ge=0, lt=2**16, strict=True)]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ClassAnswered(_Value):
    """The most probable class."""

    label: str
    probability: float


class PriceAnswered(_Value):
    """In the currency of the model's card."""

    price: float
    low: float
    high: float


class Prediction(_Value):
    """One answered picture. index: its place among the pictures of a batch call. familiarity: the number
    that `familiar` is decided by. stages: milliseconds. picture: the sha256 of the upload, where
    pictures are kept."""

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


class Truth(_Value):
    """What was true of one picture, as a client says it. truth: the label, or the price."""

    request_id: RequestId
    index: Index | None = None
    truth: (
        Annotated[StrictStr, Field(min_length=1, max_length=100)] | Annotated[float, Field(gt=0, strict=True)]
    )


class Feedback(Truth):
    """The same in the log. time: when it came."""

    time: AwareDatetime


class FeedbackLine(_Value):
    """A line of feedback, told from one of a prediction by its one key."""

    feedback: Feedback


_LINE: TypeAdapter[Prediction | FeedbackLine] = TypeAdapter(Prediction | FeedbackLine)


def read_line(line: bytes) -> Prediction | FeedbackLine:
    """Raises pydantic.ValidationError where it is neither."""
    return _LINE.validate_json(line)


def write_line(line: Prediction | FeedbackLine) -> str:
    """Without its line end, and without what is not known."""
    return line.model_dump_json(exclude_none=True)
