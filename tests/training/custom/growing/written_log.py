"""A prediction log as the service writes it, without a service."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from models.prediction_record import (
    PICTURES_FOLDER,
    ClassAnswered,
    Feedback,
    FeedbackLine,
    Prediction,
    PriceAnswered,
    write_line,
)


class WrittenLog:
    """Lines and kept pictures in a folder; each line is a second later than the one before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._second = 0
        (folder / PICTURES_FOLDER).mkdir(parents=True)

    def answered(
        self,
        request_id: str,
        picture: bytes = b"",
        answer: str | float = "car",
        model: str = "things",
        name: str | None = None,
        index: int | None = None,
    ) -> None:
        """A prediction; a picture is kept under its sha256 or the name that is given."""
        if picture:
            name = name or hashlib.sha256(picture).hexdigest()
            (self.folder / PICTURES_FOLDER / name).write_bytes(picture)
        answered = (
            ClassAnswered(label=answer, probability=0.9)
            if isinstance(answer, str)
            else PriceAnswered(price=answer, low=answer / 2, high=answer * 2)
        )
        prediction = Prediction(
            time=self._now(), request_id=request_id, index=index, call="/classify", model=model,
            version="one", answer=answered, familiar=True, familiarity=1.0, stages={}, picture=name,
        )  # fmt: skip
        self.write(write_line(prediction))

    def told(self, request_id: str, truth: str | float, index: int | None = None) -> None:
        """Feedback."""
        told = Feedback(request_id=request_id, index=index, truth=truth, time=self._now())
        self.write(write_line(FeedbackLine(feedback=told)))

    def write(self, line: str) -> None:
        """Any line."""
        with (self.folder / "predictions-0.jsonl").open("a") as file:
            file.write(line + "\n")

    def _now(self) -> datetime:
        self._second += 1
        return datetime(2026, 11, 20, 12, 0, self._second, tzinfo=UTC)
