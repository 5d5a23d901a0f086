"""The execution of one model: in which queue and on which thread its work is done.

Small pictures and fast models run on the event loop itself, a chunk at a time; large pictures are decoded in
threads, and slow models, and any on a GPU, run in threads of their own (docs/decisions/0019).
"""

import asyncio
import time
from collections.abc import Awaitable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from models.card import Outputs
from models.image.decode import PictureError
from models.image.views import Pixels
from models.model import Model
from service.inference.device import Device, batch_size, batches_in_flight
from service.inference.pipeline import Answered, ModelFailed, Pipeline, Prepared
from service.inference.queues.batch_queue import BatchQueue, BatchTimeout
from service.inference.queues.decode_pool import DecodePool
from service.inference.queues.lanes import each
from service.inference.queues.loop_queue import MAX_CHUNK_S, LoopQueue
from service.inference.queues.queued import Completed, QueueTimeout, Result
from service.inference.watchdog import Watchdog
from service.monitoring import request_context
from service.monitoring.model_metrics import ModelMetrics
from service.settings import Settings

MAX_HUNG_BATCHES = 4
"""Batches of one model that may hang while others run in their slots (docs/decisions/0015)."""


class Workplaces:
    """Where the engines of one process get their work done.

    Attributes:
        loop_queue: Runs small work on the event loop.
        decode_pool: Threads for large pictures.
    """

    def __init__(self, decoders: int) -> None:
        self.loop_queue = LoopQueue()
        self.decode_pool = DecodePool(decoders)


class Execution:
    """Runs one model.

    Attributes:
        watchdog: Knows whether the model still works.
    """

    def __init__(self, model: Model, workplaces: Workplaces, settings: Settings, device: Device) -> None:
        card = model.card
        self._pipeline = pipeline = Pipeline(model, settings)
        self._small_lane = workplaces.loop_queue.lane(each(pipeline.prepare))
        self._fast_lane = workplaces.loop_queue.lane(self._answer_small)
        self._block_lane = workplaces.loop_queue.lane(each(self._run_block))
        most = batch_size(card.view.shape, settings.max_batch_size, device)
        self._block_size = max(min(int(MAX_CHUNK_S / max(model.run_s, 1e-6)), most), 1)
        self._large_lane = workplaces.decode_pool.lane(pipeline.prepare)
        # On a GPU a thread waits for it, while the loop goes on.
        self._is_fast = device.name == "cpu" and pipeline.is_fast
        self._queue: BatchQueue[Pixels, Outputs] = BatchQueue(
            self._run,
            new_executor=lambda: ThreadPoolExecutor(1, thread_name_prefix=card.name),
            max_batch_size=most,
            max_in_flight=batches_in_flight(device),
            batch_timeout=settings.batch_seconds,
            max_hung=MAX_HUNG_BATCHES,
        )
        self._metrics = ModelMetrics.of(card.name)
        self._golden = card.golden.unpack()[0]
        self._probe_s = settings.deadline_ms / 1000
        self.watchdog = Watchdog(card.name, self._probe)

    def close(self) -> None:
        """End the threads and free the model, when no request uses it."""
        self.watchdog.close()
        for lane in (self._small_lane, self._fast_lane, self._block_lane, self._large_lane):
            lane.close()
        self._queue.close()
        # Freed by hand: the engine may be part of a cycle that is never collected (gc.freeze).
        self._pipeline.close()

    async def picture(self, data: bytes, deadline: float) -> Outputs:
        """The outputs for the bytes of one image file, each without a batch.

        Args:
            data: Of the file.
            deadline: In seconds of time.perf_counter().

        Raises:
            PictureError: The picture cannot be opened.
            QueueTimeout: It waited past its deadline.
            BatchTimeout: Its batch ran for too long.
            Exception: What the model raised.
        """
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

    async def pixels(self, pixels: Pixels, deadline: float) -> Outputs:
        """The outputs for pixels, uint8 (N, H, W, C), each (N, ...); raises as `picture` does."""
        # On the loop in blocks of one turn each; elsewhere the queue makes batches of single pictures.
        size, infer = (self._block_size, self._infer_block) if self._is_fast else (1, self._infer_row)
        blocks = [pixels[start : start + size] for start in range(0, len(pixels), size)]
        if len(blocks) == 1:
            return await infer(blocks[0], deadline)
        tasks = [asyncio.create_task(infer(block, deadline)) for block in blocks]
        try:
            parts = await asyncio.gather(*tasks)
        except BaseException:
            for task in tasks:  # nobody waits for the others any more
                task.cancel()
            raise
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    async def _infer_block(self, pixels: Pixels, deadline: float) -> Outputs:
        completed = await self._watched(self._block_lane.run(pixels, deadline))
        self._record(0.0, 0.0, completed.queue_s, completed.run_s)
        return completed.result

    async def _infer_row(self, pixels: Pixels, deadline: float) -> Outputs:
        row = await self._infer(Completed(Prepared(pixels[0], 0.0, 0.0), 0.0, 0.0, 1), deadline)
        return {name: value[np.newaxis] for name, value in row.items()}

    async def _infer(self, prepared: Completed[Prepared], deadline: float) -> Outputs:
        """The outputs of a picture that was prepared, by a thread of the model."""
        ready = prepared.result
        inferred = await self._watched(self._queue.submit(ready.pixels, deadline))
        # In both queues, and behind the other pictures of a chunk.
        waited = prepared.queue_s + prepared.run_s + inferred.queue_s
        self._record(ready.decode_s, ready.view_s, waited, inferred.run_s)
        return inferred.result

    async def _watched(self, run: Awaitable[Completed[Result]]) -> Completed[Result]:
        """A run of the model, of whose success or failure the watchdog is told."""
        try:
            completed = await run
        except QueueTimeout:
            raise
        except Exception as error:
            self._record_failure(error)
            raise
        self.watchdog.record_success()
        return completed

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
        await self._queue.submit(self._golden, time.perf_counter() + self._probe_s, alone=True)

    def _answer_small(self, items: list[bytes]) -> list[Answered | Exception]:
        answers = self._pipeline.answer(items)
        self._metrics.batch(sum(not isinstance(answer, PictureError) for answer in answers))
        return answers

    def _run_block(self, pixels: Pixels) -> Outputs:
        self._metrics.batch(len(pixels))
        return self._pipeline.infer_block(pixels)

    def _run(self, batch: Sequence[Pixels]) -> list[Outputs | Exception]:
        self._metrics.batch(len(batch))
        return self._pipeline.infer(batch)
