"""The engine of one model: picture -> pixels -> batch -> answer."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Generic, TypeVar

import numpy as np

from models.card import Answers, ClassifierCard, RegressorCard
from models.picture import PictureError, open_picture
from models.views import Pixels
from models.zoo import Model
from service import metrics, request
from service.batching import BatchQueue, QueueFull, QueueTimeout
from service.errors import DeadlinePassed, Overloaded, picture_problem
from service.session import batch_size
from service.settings import Settings

CardT = TypeVar("CardT", ClassifierCard, RegressorCard)


class Engine(Generic[CardT]):
    """Answers pictures with one model. Decoding runs in `decoders`, the model in a thread of its own."""

    def __init__(self, card: CardT, model: Model, decoders: Executor, settings: Settings) -> None:
        self.card: CardT = card
        self._model = model
        self._decoders = decoders
        self._max_pixels = settings.max_pixels
        self._queue: BatchQueue[Pixels, Answers] = BatchQueue(
            self._run,
            ThreadPoolExecutor(1, thread_name_prefix=card.name),
            batch_size(card.view.shape, settings.max_batch_size),
            settings.queue_limit,
            settings.deadline_ms / 1000,
        )
        metrics.WAITING.labels(card.name).set_function(lambda: len(self._queue))

    async def answer(self, data: bytes) -> Answers:
        """The model's outputs for one picture. data: the bytes of one image file.

        Raises UnsupportedPicture, BrokenPicture, TooLarge, Overloaded or DeadlinePassed.
        """
        name = self.card.name
        loop = asyncio.get_running_loop()
        try:
            pixels, decode, view = await loop.run_in_executor(self._decoders, self._prepare, data)
        except PictureError as error:
            raise picture_problem(error) from error
        try:
            served = await self._queue.submit(pixels)
        except QueueFull as error:
            raise Overloaded(f"{name} has all the work it can take; try again shortly.") from error
        except QueueTimeout as error:
            raise DeadlinePassed(f"{name} did not get to this picture in time.") from error
        stages = {"decode": decode, "view": view, "queue": served.queued, "infer": served.ran}
        for stage, seconds in stages.items():
            metrics.STAGES.labels(name, stage).observe(seconds)
        familiar = served.answer["familiarity"] >= self.card.familiarity_threshold
        metrics.PICTURES.labels(name, "yes" if familiar else "no").inc()
        request.record(stages)
        return served.answer

    def _prepare(self, data: bytes) -> tuple[Pixels, float, float]:
        """(pixels, seconds to decode, seconds of the view)."""
        view = self.card.view
        start = time.perf_counter()
        picture = open_picture(data, view.shorter_side, self._max_pixels)
        decoded = time.perf_counter()
        return view(picture), decoded - start, time.perf_counter() - decoded

    def _run(self, batch: Sequence[Pixels]) -> list[Answers]:
        metrics.BATCHES.labels(self.card.name).observe(len(batch))
        outputs = self._model(np.stack(batch))
        return [{name: values[index] for name, values in outputs.items()} for index in range(len(batch))]
