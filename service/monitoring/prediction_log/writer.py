"""The writer of the prediction log, where GLIMPSE_PREDICTION_LOG names a folder (docs/decisions/0014).

The event loop only puts values into a queue; a thread makes lines of them and writes, so that no request
waits for the disk. What cannot be written is counted, and the service goes on answering.
"""

import logging
import queue
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import QueueListener

from models.card import Card
from models.prediction_record import (
    ClassAnswered,
    Feedback,
    FeedbackLine,
    Prediction,
    PriceAnswered,
    Truth,
    write_line,
)
from service.answers import ClassFacts, PriceFacts
from service.monitoring.metrics import LOG_LINES_LOST, LOG_PICTURES_LOST
from service.monitoring.prediction_log.drop_counter import DropCounter
from service.monitoring.prediction_log.jsonl_files import JsonlHandler
from service.monitoring.prediction_log.picture_store import PictureStore
from service.settings import Settings

log = logging.getLogger(__name__)

MAX_QUEUED_LINES = 10_000
"""Lines that wait for the disk, at most: some seconds of a server at full load."""

MAX_QUEUED_PICTURE_BYTES = 64 * 2**20
"""Bytes of pictures that wait for the disk, at most."""

CLOSE_TIMEOUT_S = 5.0
"""Seconds that the end of the service waits for the lines that are still queued."""

QUEUE_FULL = OSError("they come faster than the disk takes them")


@dataclass(frozen=True, slots=True)
class PredictionEvent:
    """One answered picture.

    Attributes:
        request_id: Of the request it came with.
        index: Its position in a batch call; None in others.
        call: The path of the call.
        card: Of the model.
        facts: What was answered.
        familiarity: As the model returned it.
        stages: Seconds by stage.
    """

    request_id: str
    index: int | None
    call: str
    card: Card
    facts: ClassFacts | PriceFacts
    familiarity: float
    stages: Mapping[str, float]

    def record(self, time: datetime, picture: str | None) -> Prediction:
        """The event as it is logged.

        Args:
            time: When it was put into the queue.
            picture: The sha256 of the upload, in hex; None where it is not kept.
        """
        facts = self.facts
        return Prediction(
            time=time,
            request_id=self.request_id,
            index=self.index,
            call=self.call,
            model=self.card.name,
            version=self.card.version,
            answer=ClassAnswered(label=facts.label, probability=facts.probability)
            if isinstance(facts, ClassFacts)
            else PriceAnswered(price=facts.price, low=facts.low, high=facts.high),
            familiar=facts.familiar,
            familiarity=round(self.familiarity, 6),
            stages={stage: round(1000 * seconds, 3) for stage, seconds in self.stages.items()},
            picture=picture,
        )


_Entry = tuple[datetime, PredictionEvent | Truth, bytes]
"""When it was queued, the event or feedback, and the bytes of the picture; empty where it is not kept."""


class PredictionLog:
    """Queues events on one event loop for a thread that writes; goes on where nothing can be written."""

    def __init__(self, settings: Settings) -> None:
        assert settings.prediction_log is not None
        folder = settings.prediction_log
        self._dropped_lines = DropCounter(LOG_LINES_LOST, "lines")
        self._dropped_pictures = DropCounter(LOG_PICTURES_LOST, "pictures")
        store = PictureStore(folder, settings.log_pictures_bytes) if settings.log_pictures else None
        size, count = settings.prediction_log_bytes, settings.prediction_log_files
        file = JsonlHandler(folder, size, count, self._dropped_lines.record)
        self._writer = _Writer(file, store, self._dropped_lines, self._dropped_pictures)
        self._writer.start()

    def log_prediction(self, event: PredictionEvent, image: bytes) -> None:
        """Queue an event; never raises and never waits. Where the queue is full, it is dropped and counted.

        Args:
            event: The answered picture.
            image: The upload, for the picture store.
        """
        picture = image if self._writer.keeps_pictures else b""
        if not self._writer.can_queue(len(picture)):
            self._dropped_pictures.record(QUEUE_FULL)
            picture = b""
        try:
            self._writer.put(event, picture)
        except queue.Full:
            self._dropped_lines.record(QUEUE_FULL)

    def log_feedback(self, truth: Truth) -> None:
        """Queue feedback.

        Raises:
            queue.Full: Its client still waits, and can be asked to come again.
        """
        self._writer.put(truth)

    def close(self) -> None:
        """Write what is queued, within CLOSE_TIMEOUT_S."""
        self._writer.stop()


class _Writer(QueueListener):
    """The thread: makes lines of entries, and writes them."""

    def __init__(
        self,
        file: JsonlHandler,
        store: PictureStore | None,
        dropped_lines: DropCounter,
        dropped_pictures: DropCounter,
    ) -> None:
        self._entries: queue.Queue[_Entry | None] = queue.Queue(MAX_QUEUED_LINES)
        super().__init__(self._entries, file)
        self._file, self._store = file, store
        self._dropped_lines, self._dropped_pictures = dropped_lines, dropped_pictures
        # Each is written by one thread only, so that none needs a lock.
        self._picture_bytes_put = self._picture_bytes_taken = 0

    @property
    def keeps_pictures(self) -> bool:
        return self._store is not None

    def can_queue(self, picture_bytes: int) -> bool:
        queued = self._picture_bytes_put - self._picture_bytes_taken
        return queued + picture_bytes <= MAX_QUEUED_PICTURE_BYTES

    def put(self, content: PredictionEvent | Truth, picture: bytes = b"") -> None:
        """Raises queue.Full."""
        self._entries.put_nowait((datetime.now(UTC), content, picture))
        self._picture_bytes_put += len(picture)

    def handle(self, entry: _Entry) -> None:  # type: ignore[override]  # entries become records here
        try:
            record = logging.LogRecord("predictions", logging.INFO, "", 0, self._line(*entry), None, None)
            self._file.handle(record)
        except Exception as error:  # it would end the thread, and every later line with it
            self._dropped_lines.record(error)
        finally:
            self._picture_bytes_taken += len(entry[2])

    def stop(self) -> None:
        assert self._thread is not None
        with suppress(queue.Full):
            self._entries.put(None, timeout=CLOSE_TIMEOUT_S)
        self._thread.join(CLOSE_TIMEOUT_S)
        if self._thread.is_alive():  # the disk hangs; closing the file would wait for it
            log.error("the prediction log ends with about %d lines not written", self._entries.qsize())
        else:
            self._file.close()

    def _line(self, time: datetime, content: PredictionEvent | Truth, picture: bytes) -> str:
        if isinstance(content, Truth):
            return write_line(FeedbackLine(feedback=Feedback(**content.model_dump(), time=time)))
        return write_line(content.record(time, self._keep(picture)))

    def _keep(self, picture: bytes) -> str | None:
        """The sha256 of the picture; None where it is not kept."""
        if self._store is None or not picture:
            return None
        try:
            return self._store.keep(picture)
        except OSError as error:
            self._dropped_pictures.record(error)
            return None


def open_log(settings: Settings) -> PredictionLog | None:
    """The prediction log that the settings ask for; None where they name no folder."""
    return PredictionLog(settings) if settings.prediction_log is not None else None
