"""The engine of one model: picture -> pixels -> batch -> outputs."""

import asyncio
import io
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from PIL import Image

from models.card import ClassifierCard, Outputs, RegressorCard
from models.image.decode import PictureError, open_picture
from models.image.views import Pixels
from models.model import Model
from service.errors import DeadlinePassed, Overloaded, picture_problem
from service.inference.admission import Admission, Refused
from service.inference.batch_queue import BatchQueue, BatchTimeout
from service.inference.decode_pool import DecodePool
from service.inference.device import Device, batch_size, batches_in_flight
from service.inference.queued import QueueTimeout
from service.inference.watchdog import Watchdog
from service.monitoring import request_context
from service.monitoring.drift import Drift
from service.monitoring.metrics import ModelMetrics
from service.settings import Settings

CardT = TypeVar("CardT", ClassifierCard, RegressorCard)

MAX_HUNG_BATCHES = 4
"""Batches of one model that may hang while others run in their slots (docs/decisions/0015)."""

OUT_OF_MEMORY_MESSAGE = "Failed to allocate memory"
"""In the errors of onnxruntime's allocators, which have no exception type of their own."""

DRAIN_POLL_S = 0.05
"""Seconds between two checks whether an engine that is to be closed is idle."""

REFUSAL_DETAILS = {
    "full": "{} has all the work it can take; try again in {} s.",
    "late": "{} could not answer in time; try again in {} s.",
}


class NotFinite(Exception):
    """The model returned NaN or infinity for a picture."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A picture's pixels, and the seconds that decoding and the view took."""

    pixels: Pixels
    decode_s: float
    view_s: float


class Engine(Generic[CardT]):
    """Answers pictures with one model.

    Pictures are decoded in the pool that all models share; the model runs in threads of its own.

    Attributes:
        card: Of the model.
        sha256: Of the model file, in hex.
        stamp: Of the model file when it was read.
        admission: Limits the pictures in flight.
        watchdog: Knows whether the model still works.
        drift: How far the predictions are from those in the card.
    """

    def __init__(
        self, card: CardT, model: Model, pool: DecodePool, settings: Settings, device: Device
    ) -> None:
        self.card: CardT = card
        self.sha256, self.stamp = model.sha256, model.stamp
        self._model = model
        self._max_pixels, self._formats = settings.max_pixels, settings.formats
        self._deadline_s = settings.deadline_ms / 1000
        self.admission = Admission(settings.queue_limit, self._deadline_s)
        self._lane = pool.lane(self._prepare)
        self._queue: BatchQueue[Pixels, Outputs] = BatchQueue(
            self._run,
            new_executor=lambda: ThreadPoolExecutor(1, thread_name_prefix=card.name),
            max_batch_size=batch_size(card.view.shape, settings.max_batch_size, device),
            max_in_flight=batches_in_flight(device),
            batch_timeout=settings.batch_seconds,
            max_hung=MAX_HUNG_BATCHES,
        )
        self._metrics = ModelMetrics(card.name)
        self._golden = card.golden.unpack()[0]
        self.watchdog = Watchdog(card.name, self._probe)
        self.drift = Drift(card)
        self._pins = 0

    @contextmanager
    def pin(self) -> Iterator[None]:
        """Keep the engine open between the pictures of one request."""
        self._pins += 1
        try:
            yield
        finally:
            self._pins -= 1

    async def close(self) -> None:
        """Wait until the engine is idle, then end its threads and free the model.

        Only for an engine that the catalog no longer holds.
        """
        while self.admission.in_flight or self._pins:
            await asyncio.sleep(DRAIN_POLL_S)
        self.release()

    def release(self) -> None:
        """End the threads and free the model of an engine that no request uses."""
        self.watchdog.close()
        self._lane.close()
        self._queue.close()
        # Freed by hand: the engine may be part of a cycle that is never collected (gc.freeze).
        del self._model

    def warm_up(self) -> None:
        """Decode and view one picture of each usual format, which loads codecs and builds tables."""
        page = Image.effect_mandelbrot((640, 480), (-3, -2.5, 2, 2.5), 20)
        for kind in ("PNG", "JPEG"):
            page.save(data := io.BytesIO(), kind)
            self._prepare(data.getvalue())

    async def answer(self, data: bytes) -> Outputs:
        """The model's outputs for one picture.

        The seconds of each stage go into the request context and are not returned: Server-Timing is
        written by a layer that BentoML's methods, between it and this one, have no way to hand them to.

        Args:
            data: The bytes of one image file.

        Raises:
            UnsupportedPicture: Not a picture format that is opened.
            BrokenPicture: The picture does not decode.
            TooLarge: The picture has too many pixels.
            Overloaded: The picture would not be answered in time.
            DeadlinePassed: The picture was not answered in time.
        """
        with self._metrics.outcome() as outcome:
            try:
                with self.admission.slot(), self._metrics.waiting():
                    outputs = await self._outputs(data)
            except Refused as refused:
                reason, seconds = str(refused), refused.retry_after
                outcome.refused(reason)
                detail = REFUSAL_DETAILS[reason].format(self.card.name, seconds)
                raise Overloaded(detail, seconds) from None
            except PictureError as error:
                outcome.name = "bad picture"
                raise picture_problem(error) from error
            except QueueTimeout as error:
                outcome.refused("deadline")
                raise DeadlinePassed(f"{self.card.name} did not get to this picture in time.") from error
            except BatchTimeout as error:
                raise DeadlinePassed(f"{self.card.name} hangs; try again, or ask another model.") from error
            familiar = outputs["familiarity"] >= self.card.familiarity_threshold
            outcome.name = "familiar" if familiar else "unfamiliar"
            self.drift.observe(outputs)
        return outputs

    async def _outputs(self, data: bytes) -> Outputs:
        deadline = time.perf_counter() + self._deadline_s
        decoded = await self._lane.run(data, deadline)
        prepared = decoded.result
        try:
            inferred = await self._queue.submit(prepared.pixels, deadline)
        except QueueTimeout:
            raise
        except Exception as error:
            self._metrics.failure("hung" if isinstance(error, BatchTimeout) else "error")
            self.watchdog.record_failure()
            raise
        self.watchdog.record_success()
        stages = {
            "decode": prepared.decode_s,
            "view": prepared.view_s,
            # In both queues, and behind the other pictures of the chunk that one thread decoded.
            "queue": decoded.queue_s + decoded.run_s - prepared.decode_s - prepared.view_s + inferred.queue_s,
            "infer": inferred.run_s,
        }
        self._metrics.observe(stages)
        request_context.record(stages)
        return inferred.result

    def _prepare(self, data: bytes) -> _Prepared:
        view = self.card.view
        start = time.perf_counter()
        picture = open_picture(data, view.shorter_side, self._max_pixels, self._formats)
        decoded = time.perf_counter()
        return _Prepared(view(picture), decoded - start, time.perf_counter() - decoded)

    async def _probe(self) -> None:
        """Run the model on a golden picture alone; raises where it fails.

        Beside a picture that the model fails on it would fail too: one client could make the service unready.
        """
        await self._queue.submit(self._golden, time.perf_counter() + self._deadline_s, alone=True)

    def _run(self, batch: Sequence[Pixels]) -> list[Outputs | Exception]:
        self._metrics.batch(len(batch))
        try:
            outputs = self._model(np.stack(batch))
        except Exception as error:
            if OUT_OF_MEMORY_MESSAGE in str(error):
                raise MemoryError(str(error)) from error
            raise
        rows: list[Outputs | Exception] = [
            {name: values[index] for name, values in outputs.items()} for index in range(len(batch))
        ]
        if not all(np.isfinite(values).all() for values in outputs.values()):
            for index, row in enumerate(rows):
                if not all(np.isfinite(values).all() for values in row.values()):  # type: ignore[union-attr]
                    rows[index] = NotFinite(f"{self.card.name} returned no numbers for a picture")
        return rows
