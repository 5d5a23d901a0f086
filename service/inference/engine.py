"""The engine of one model: picture -> pixels -> batch -> outputs.

Small pictures and fast models run on the event loop itself, a chunk at a time; large pictures are decoded in
threads, and slow models, and any on a GPU, run in threads of their own (docs/decisions/0019).
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

from models.card import ClassifierCard, Outputs, RegressorCard
from models.image.decode import PictureError
from models.image.views import Pixels
from models.model import Model
from service.errors import DeadlinePassed, picture_problem
from service.inference.admission import Admission, Refused
from service.inference.device import Device, batch_size, batches_in_flight
from service.inference.pipeline import Answered, ModelFailed, Pipeline, Prepared
from service.inference.queues.batch_queue import BatchQueue, BatchTimeout
from service.inference.queues.decode_pool import DecodePool
from service.inference.queues.lanes import each
from service.inference.queues.loop_queue import LoopQueue
from service.inference.queues.queued import Completed, QueueTimeout
from service.inference.watchdog import Watchdog
from service.monitoring import request_context
from service.monitoring.drift import Drift
from service.monitoring.model_metrics import ModelMetrics
from service.settings import Settings

CardT = TypeVar("CardT", ClassifierCard, RegressorCard)

MAX_HUNG_BATCHES = 4
"""Batches of one model that may hang while others run in their slots (docs/decisions/0015)."""

DRAIN_POLL_S = 0.05
"""Seconds between two checks whether an engine that is to be closed is idle."""


class Workplaces:
    """Where the engines of one process get their work done.

    Attributes:
        loop_queue: Runs small work on the event loop.
        decode_pool: Threads for large pictures.
    """

    def __init__(self, decoders: int) -> None:
        self.loop_queue = LoopQueue()
        self.decode_pool = DecodePool(decoders)


class Engine(Generic[CardT]):
    """Answers pictures with one model.

    Attributes:
        card: Of the model.
        sha256: Of the model file, in hex.
        stamp: Of the model file when it was read.
        admission: Limits the pictures in flight.
        watchdog: Knows whether the model still works.
        drift: How far the predictions are from those in the card.
    """

    def __init__(
        self, card: CardT, model: Model, workplaces: Workplaces, settings: Settings, device: Device
    ) -> None:
        self.card: CardT = card
        self.sha256, self.stamp = model.sha256, model.stamp
        self._deadline_s = settings.deadline_ms / 1000
        self.admission = Admission(settings.queue_limit, self._deadline_s, settings.target_ms / 1000)
        self._pipeline = pipeline = Pipeline(model, settings)
        self._small_lane = workplaces.loop_queue.lane(each(pipeline.prepare))
        self._fast_lane = workplaces.loop_queue.lane(self._answer_small)
        self._large_lane = workplaces.decode_pool.lane(pipeline.prepare)
        # On a GPU a thread waits for it, while the loop goes on.
        self._is_fast = device.name == "cpu" and pipeline.is_fast
        self._queue: BatchQueue[Pixels, Outputs] = BatchQueue(
            self._run,
            new_executor=lambda: ThreadPoolExecutor(1, thread_name_prefix=card.name),
            max_batch_size=batch_size(card.view.shape, settings.max_batch_size, device),
            max_in_flight=batches_in_flight(device),
            batch_timeout=settings.batch_seconds,
            max_hung=MAX_HUNG_BATCHES,
        )
        self._metrics = ModelMetrics.of(card.name)
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
        for lane in (self._small_lane, self._fast_lane, self._large_lane):
            lane.close()
        self._queue.close()
        # Freed by hand: the engine may be part of a cycle that is never collected (gc.freeze).
        self._pipeline.close()

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
                with self.admission.slot():
                    outputs = await self._outputs(data)
            except Refused as refused:
                outcome.refused(refused.reason)
                raise refused.problem(self.card.name) from None
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

    def count_refusal(self, refused: Refused) -> None:
        """Count a picture that was refused before `answer` was asked."""
        self._metrics.refusal(refused.reason)

    async def _outputs(self, data: bytes) -> Outputs:
        deadline = time.perf_counter() + self._deadline_s
        if not self._pipeline.is_small(data):
            return await self._infer(await self._large_lane.run(data, deadline), deadline)
        if not self._is_fast:
            return await self._infer(await self._small_lane.run(data, deadline), deadline)
        try:
            completed = await self._fast_lane.run(data, deadline)
        except ModelFailed as error:
            self._record_failure(error.error)
            raise error.error from None
        self.watchdog.record_success()
        answered = completed.result
        waited = completed.queue_s + completed.run_s - answered.infer_s
        self._record(answered.decode_s, answered.view_s, waited, answered.infer_s)
        return answered.outputs

    async def _infer(self, prepared: Completed[Prepared], deadline: float) -> Outputs:
        """The outputs of a picture that was prepared, by a thread of the model."""
        ready = prepared.result
        try:
            inferred = await self._queue.submit(ready.pixels, deadline)
        except QueueTimeout:
            raise
        except Exception as error:
            self._record_failure(error)
            raise
        self.watchdog.record_success()
        # In both queues, and behind the other pictures of a chunk.
        waited = prepared.queue_s + prepared.run_s + inferred.queue_s
        self._record(ready.decode_s, ready.view_s, waited, inferred.run_s)
        return inferred.result

    def _record_failure(self, error: BaseException) -> None:
        self._metrics.failure("hung" if isinstance(error, BatchTimeout) else "error")
        self.watchdog.record_failure()

    def _record(self, decode_s: float, view_s: float, waited_s: float, infer_s: float) -> None:
        """Record the seconds of a picture's stages, and what it waited besides."""
        queue_s = max(waited_s - decode_s - view_s, 0.0)
        self._metrics.observe(decode_s, view_s, queue_s, infer_s)
        request_context.record({"decode": decode_s, "view": view_s, "queue": queue_s, "infer": infer_s})

    async def _probe(self) -> None:
        """Run the model on a golden picture alone; raises where it fails.

        Beside a picture that the model fails on it would fail too: one client could make the service unready.
        """
        await self._queue.submit(self._golden, time.perf_counter() + self._deadline_s, alone=True)

    def _answer_small(self, items: list[bytes]) -> list[Answered | Exception]:
        answers = self._pipeline.answer(items)
        self._metrics.batch(sum(not isinstance(answer, PictureError) for answer in answers))
        return answers

    def _run(self, batch: Sequence[Pixels]) -> list[Outputs | Exception]:
        self._metrics.batch(len(batch))
        return self._pipeline.infer(batch)
