"""The engine of one model: picture -> pixels -> batch -> answer."""

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
from service.inference.batch_queue import BatchQueue, BatchTimeout, QueueTimeout
from service.inference.decode_pool import DecodePool
from service.inference.session import Device, batch_size, batches_in_flight
from service.inference.watchdog import Watchdog
from service.monitoring import request_context
from service.monitoring.drift import Drift
from service.monitoring.metrics import ModelMetrics
from service.settings import Settings

CardT = TypeVar("CardT", ClassifierCard, RegressorCard)

MAX_HUNG_BATCHES = 4
"""Batches of one model that may hang before no other runs in their place."""

OUT_OF_MEMORY_MESSAGE = "Failed to allocate memory"
"""How onnxruntime's allocators say so; it has no exception of its own for it."""

DRAIN_POLL_S = 0.05
"""Seconds between two looks at whether an engine that is to be closed is still at work."""

REFUSAL_DETAILS = {
    "full": "{} has all the work it can take; try again in {} s.",
    "late": "{} could not answer in time; try again in {} s.",
}


class NotFinite(Exception):
    """The model returned values that are no numbers."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A picture as its model takes it, and the seconds that decoding and the view took."""

    pixels: Pixels
    decode: float
    view: float


class Engine(Generic[CardT]):
    """Answers pictures with one model. Decoding runs in the pool that all models share, the model in
    threads of its own."""

    def __init__(
        self, card: CardT, model: Model, pool: DecodePool, settings: Settings, device: Device
    ) -> None:
        self.card: CardT = card
        self.sha256, self.stamp = model.sha256, model.stamp
        self._model = model
        self._max_pixels, self._formats = settings.max_pixels, settings.formats
        self._deadline = settings.deadline_ms / 1000
        self.admission = Admission(settings.queue_limit, self._deadline)
        self._lane = pool.lane(self._prepare)
        self._queue: BatchQueue[Pixels, Outputs] = BatchQueue(
            self._run,
            lambda: ThreadPoolExecutor(1, thread_name_prefix=card.name),
            batch_size(card.view.shape, settings.max_batch_size, device),
            batches_in_flight(device),
            settings.batch_seconds,
            MAX_HUNG_BATCHES,
        )
        self._metrics = ModelMetrics(card.name)
        self._golden = card.golden.unpack()[0]
        self.watchdog = Watchdog(card.name, self._probe)
        self.drift = Drift(card)
        self._holders = 0

    @contextmanager
    def pin(self) -> Iterator[None]:
        """For who answers several pictures with this engine: it stays open in between."""
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1

    async def close(self) -> None:
        """Wait until no request is in flight, then end the threads and free the model.

        Only for an engine that the catalog no longer has.
        """
        while self.admission.under_way or self._holders:
            await asyncio.sleep(DRAIN_POLL_S)
        self.release()

    def release(self) -> None:
        """End the threads and free the model of an engine that no request uses."""
        self.watchdog.close()
        self._lane.close()
        self._queue.close()
        # The engine may be part of a cycle that is never collected (gc.freeze); its session must go now.
        del self._model

    def warm_up(self) -> None:
        """Open and view a picture of each usual kind: the first time, codecs are loaded and tables made."""
        page = Image.effect_mandelbrot((640, 480), (-3, -2.5, 2, 2.5), 20)
        for kind in ("PNG", "JPEG"):
            page.save(data := io.BytesIO(), kind)
            self._prepare(data.getvalue())

    async def answer(self, data: bytes) -> Outputs:
        """The model's outputs for one picture. data: the bytes of one image file.

        Raises UnsupportedPicture, BrokenPicture, TooLarge, Overloaded or DeadlinePassed.
        """
        with self._metrics.outcome() as outcome:
            try:
                with self.admission.place(), self._metrics.waiting():
                    answer = await self._answer(data)
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
            familiar = answer["familiarity"] >= self.card.familiarity_threshold
            outcome.name = "familiar" if familiar else "unfamiliar"
            self.drift.observe(answer)
        return answer

    async def _answer(self, data: bytes) -> Outputs:
        deadline = time.perf_counter() + self._deadline
        opened = await self._lane.run(data, deadline)
        try:
            served = await self._queue.submit(opened.answer.pixels, deadline)
        except QueueTimeout:
            raise
        except Exception as error:
            self._metrics.failure("hung" if isinstance(error, BatchTimeout) else "error")
            self.watchdog.failed()
            raise
        self.watchdog.succeeded()
        stages = {
            "decode": opened.answer.decode,
            "view": opened.answer.view,
            # In both queues, and behind its neighbours in the chunk that one thread decoded.
            "queue": opened.queued + opened.ran - opened.answer.decode - opened.answer.view + served.queued,
            "infer": served.ran,
        }
        self._metrics.observe(stages)
        request_context.record(stages)
        return served.answer

    def _prepare(self, data: bytes) -> _Prepared:
        view = self.card.view
        start = time.perf_counter()
        picture = open_picture(data, view.shorter_side, self._max_pixels, self._formats)
        decoded = time.perf_counter()
        return _Prepared(view(picture), decoded - start, time.perf_counter() - decoded)

    async def _probe(self) -> None:
        """Ask the model about a golden picture. Raises where it does not answer."""
        await self._queue.submit(self._golden, time.perf_counter() + self._deadline)

    def _run(self, batch: Sequence[Pixels]) -> list[Outputs | Exception]:
        self._metrics.batch(len(batch))
        try:
            outputs = self._model(np.stack(batch))
        except Exception as error:
            if OUT_OF_MEMORY_MESSAGE in str(error):
                raise MemoryError(str(error)) from error
            raise
        answers: list[Outputs | Exception] = [
            {name: values[index] for name, values in outputs.items()} for index in range(len(batch))
        ]
        if not all(np.isfinite(values).all() for values in outputs.values()):
            for index, answer in enumerate(answers):
                if not all(np.isfinite(values).all() for values in answer.values()):  # type: ignore[union-attr]
                    answers[index] = NotFinite(f"{self.card.name} returned no numbers for a picture")
        return answers
