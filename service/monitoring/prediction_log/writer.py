"""The prediction log, where GLIMPSE_PREDICTION_LOG names a folder: a JSON line for each answered picture.

The event loop only puts values into a queue; a thread of its own makes lines of them and writes, so that
nobody waits for the disk. What cannot be written is counted, and the service goes on answering.
"""

import logging
import math
import queue
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import QueueListener

from prometheus_client import Counter

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
from service.monitoring.prediction_log.jsonl_files import JsonlHandler, PictureStore
from service.settings import Settings

log = logging.getLogger(__name__)

MAX_QUEUED_LINES = 10_000
"""Lines that wait for the disk, at most: some seconds of all that a server answers."""

MAX_QUEUED_PICTURE_BYTES = 64 * 2**20
"""Bytes of pictures that wait for the disk, at most."""

LOG_INTERVAL_S = 60.0
"""Seconds between two log lines about the same loss."""

TOO_FAST = OSError("they come faster than the disk takes them")

CLOSE_TIMEOUT_S = 5.0
"""Seconds that the end of the service waits for what is not written yet."""


@dataclass(frozen=True, slots=True)
class PredictionEvent:
    """One answered picture. index: in a batch call. stages: seconds."""

    request_id: str
    index: int | None
    call: str
    card: Card
    facts: ClassFacts | PriceFacts
    familiarity: float
    stages: Mapping[str, float]

    def line(self, time: datetime, picture: str | None) -> Prediction:
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


_Item = tuple[datetime, PredictionEvent | Truth, bytes]
"""When it was noted, what, and the bytes of the picture; none where it is not kept."""


class PredictionLog:
    """Lives on one event loop, has a thread that writes. Goes on where nothing can be written."""

    def __init__(self, settings: Settings) -> None:
        assert settings.prediction_log is not None
        folder = settings.prediction_log
        self._lines_lost = _DropCounter(LOG_LINES_LOST, "lines")
        self._pictures_lost = _DropCounter(LOG_PICTURES_LOST, "pictures")
        store = PictureStore(folder, settings.log_pictures_bytes) if settings.log_pictures else None
        size, kept = settings.prediction_log_bytes, settings.prediction_log_files
        file = JsonlHandler(folder, size, kept, self._lines_lost)
        self._writer = _Writer(file, store, self._lines_lost, self._pictures_lost)
        self._writer.start()

    def log_prediction(self, event: PredictionEvent, image: bytes) -> None:
        """Never raises and never waits: what finds no place is lost, and counted. image: the upload."""
        kept = image if self._writer.keeps_pictures else b""
        if not self._writer.has_room(len(kept)):
            self._pictures_lost(TOO_FAST)
            kept = b""
        try:
            self._writer.put(event, kept)
        except queue.Full:
            self._lines_lost(TOO_FAST)

    def log_feedback(self, truth: Truth) -> None:
        """Raises queue.Full where there is no place: its client is still there and can come again."""
        self._writer.put(truth)

    def close(self) -> None:
        """Write what waits, within CLOSED_WITHIN seconds."""
        self._writer.stop()


class _Writer(QueueListener):
    """The thread: makes lines of what was noted, and writes them."""

    def __init__(
        self,
        file: JsonlHandler,
        store: PictureStore | None,
        lines_lost: "_DropCounter",
        pictures_lost: "_DropCounter",
    ) -> None:
        self._items: queue.Queue[_Item | None] = queue.Queue(MAX_QUEUED_LINES)
        super().__init__(self._items, file)
        self._file, self._store = file, store
        self._lines_lost, self._pictures_lost = lines_lost, pictures_lost
        # Each is written by one thread only, so that none needs a lock.
        self._bytes_put = self._bytes_taken = 0

    @property
    def keeps_pictures(self) -> bool:
        return self._store is not None

    def has_room(self, size: int) -> bool:
        return self._bytes_put - self._bytes_taken + size <= MAX_QUEUED_PICTURE_BYTES

    def put(self, noted: PredictionEvent | Truth, image: bytes = b"") -> None:
        """Raises queue.Full."""
        self._items.put_nowait((datetime.now(UTC), noted, image))
        self._bytes_put += len(image)

    def handle(self, item: _Item) -> None:  # type: ignore[override]  # items become records here
        try:
            record = logging.LogRecord("predictions", logging.INFO, "", 0, self._line(*item), None, None)
            self._file.handle(record)
        except Exception as error:  # it would end the thread, and every later line with it
            self._lines_lost(error)
        finally:
            self._bytes_taken += len(item[2])

    def stop(self) -> None:
        assert self._thread is not None
        with suppress(queue.Full):
            self._items.put(None, timeout=CLOSE_TIMEOUT_S)
        self._thread.join(CLOSE_TIMEOUT_S)
        if self._thread.is_alive():  # the disk hangs; closing would wait for it
            log.error("the prediction log ends with about %d lines not written", self._items.qsize())
        else:
            self._file.close()

    def _line(self, time: datetime, noted: PredictionEvent | Truth, image: bytes) -> str:
        if isinstance(noted, Truth):
            return write_line(FeedbackLine(feedback=Feedback(**noted.model_dump(), time=time)))
        return write_line(noted.line(time, self._kept(image)))

    def _kept(self, image: bytes) -> str | None:
        if self._store is None or not image:
            return None
        try:
            return self._store.keep(image)
        except OSError as error:
            self._pictures_lost(error)
            return None


class _DropCounter:
    """Counts what is lost, and says so: once, and once a minute while it goes on."""

    def __init__(self, counter: Counter, what: str) -> None:
        self._counter, self._what = counter, what
        self._said = -math.inf

    def __call__(self, error: BaseException) -> None:
        self._counter.inc()
        if time.monotonic() - self._said >= LOG_INTERVAL_S:
            self._said = time.monotonic()
            log.error(
                "the prediction log loses %s (%s); pictures are answered all the same,"
                " glimpse_log_%s_lost_total counts on",
                self._what, error, self._what,
            )  # fmt: skip


def open_log(settings: Settings) -> PredictionLog | None:
    """None where no folder is named."""
    return PredictionLog(settings) if settings.prediction_log is not None else None
