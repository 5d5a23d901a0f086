"""The engine of one model: picture -> pixels -> batch -> answer."""

import io
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from PIL import Image

from models.card import Answers, ClassifierCard, RegressorCard
from models.picture import PictureError, open_picture
from models.views import Pixels
from models.zoo import Model
from service import request
from service.admission import Admission, Refused
from service.batching import BatchQueue, QueueTimeout
from service.drift import Drift
from service.errors import DeadlinePassed, Overloaded, picture_problem
from service.fair_pool import FairPool
from service.metrics import ModelMetrics
from service.session import batch_size
from service.settings import Settings

CardT = TypeVar("CardT", ClassifierCard, RegressorCard)

WHY_REFUSED = {
    "full": "{} has all the work it can take; try again in {} s.",
    "late": "{} could not answer in time; try again in {} s.",
}


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A picture as its model takes it, and the seconds that decoding and the view took."""

    pixels: Pixels
    decode: float
    view: float


class Engine(Generic[CardT]):
    """Answers pictures with one model. Decoding runs in the pool that all models share, the model in
    threads of its own.

    in_flight: batches at once, as BatchQueue has it.
    """

    def __init__(
        self, card: CardT, model: Model, pool: FairPool, settings: Settings, in_flight: int = 1
    ) -> None:
        self.card: CardT = card
        self._model = model
        self._max_pixels = settings.max_pixels
        self._deadline = settings.deadline_ms / 1000
        self.admission = Admission(settings.queue_limit, self._deadline)
        self._lane = pool.lane(self._prepare)
        self._queue: BatchQueue[Pixels, Answers] = BatchQueue(
            self._run,
            ThreadPoolExecutor(in_flight, thread_name_prefix=card.name),
            batch_size(card.view.shape, settings.max_batch_size),
            in_flight,
        )
        self._metrics = ModelMetrics(card.name)
        self.drift = Drift(card)

    def warm_up(self) -> None:
        """Open and view a picture of each usual kind: the first time, codecs are loaded and tables made."""
        page = Image.effect_mandelbrot((640, 480), (-3, -2.5, 2, 2.5), 20)
        for kind in ("PNG", "JPEG"):
            page.save(data := io.BytesIO(), kind)
            self._prepare(data.getvalue())

    async def answer(self, data: bytes) -> Answers:
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
                detail = WHY_REFUSED[reason].format(self.card.name, seconds)
                raise Overloaded(detail, seconds) from None
            except PictureError as error:
                outcome.name = "bad picture"
                raise picture_problem(error) from error
            except QueueTimeout as error:
                outcome.refused("deadline")
                raise DeadlinePassed(f"{self.card.name} did not get to this picture in time.") from error
            familiar = answer["familiarity"] >= self.card.familiarity_threshold
            outcome.name = "familiar" if familiar else "unfamiliar"
            self.drift.observe(answer)
        return answer

    async def _answer(self, data: bytes) -> Answers:
        deadline = time.perf_counter() + self._deadline
        opened = await self._lane.run(data, deadline)
        served = await self._queue.submit(opened.answer.pixels, deadline)
        stages = {
            "decode": opened.answer.decode,
            "view": opened.answer.view,
            # In both queues, and behind its neighbours in the chunk that one thread decoded.
            "queue": opened.queued + opened.ran - opened.answer.decode - opened.answer.view + served.queued,
            "infer": served.ran,
        }
        self._metrics.observe(stages)
        request.record(stages)
        return served.answer

    def _prepare(self, data: bytes) -> _Prepared:
        view = self.card.view
        start = time.perf_counter()
        picture = open_picture(data, view.shorter_side, self._max_pixels)
        decoded = time.perf_counter()
        return _Prepared(view(picture), decoded - start, time.perf_counter() - decoded)

    def _run(self, batch: Sequence[Pixels]) -> list[Answers]:
        self._metrics.batch(len(batch))
        outputs = self._model(np.stack(batch))
        return [{name: values[index] for name, values in outputs.items()} for index in range(len(batch))]
