"""The engine of one model: pictures in, outputs out, admitted, counted and watched."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import numpy as np

from models.card import ClassifierCard, Outputs, RegressorCard
from models.image.decode import PictureError
from models.image.views import Pixels
from models.model import Model
from service.errors import DeadlinePassed, picture_problem
from service.inference.admission import Admission, Refused
from service.inference.device import Device
from service.inference.execution import Execution, Workplaces
from service.inference.queues.batch_queue import BatchTimeout
from service.inference.queues.queued import QueueTimeout
from service.monitoring.drift import Drift
from service.monitoring.model_metrics import ModelMetrics, Outcome
from service.settings import Settings

CardT = TypeVar("CardT", ClassifierCard, RegressorCard)

MAX_TOGETHER = 64
"""Pictures of one tensor that are in flight together at most, as those of one form with many pictures."""

DRAIN_POLL_S = 0.05
"""Seconds between two checks whether an engine that is to be closed is idle."""


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
        self._execution = Execution(model, workplaces, settings, device)
        self.watchdog = self._execution.watchdog
        self._metrics = ModelMetrics.of(card.name)
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
        self._execution.close()

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
        with self._accounted() as outcome:
            outputs = await self._execution.picture(data, self._deadline())
            familiar = outputs["familiarity"] >= self.card.familiarity_threshold
            outcome.name = "familiar" if familiar else "unfamiliar"
            self.drift.observe(outputs)
        return outputs

    async def answer_pixels(self, pixels: Pixels) -> Outputs:
        """The model's outputs for pictures that are pixels already, each (N, ...).

        They share queues, limits and deadlines with all other pictures.

        Args:
            pixels: uint8 (N, H, W, C), N at least 1, H, W and C as the card's view has them.

        Raises:
            Overloaded: They would not be answered in time.
            DeadlinePassed: They were not answered in time.
        """
        parts: list[Outputs] = []
        done = 0
        with self.pin():
            while done < len(pixels):
                end = done + self.admission.together(MAX_TOGETHER)
                parts.append(await self._answer_together(pixels[done:end]))
                done = end
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    async def _answer_together(self, pixels: Pixels) -> Outputs:
        with self._accounted(len(pixels)) as outcome:
            outputs = await self._execution.pixels(pixels, self._deadline())
            familiar = outputs["familiarity"] >= self.card.familiarity_threshold
            outcome.name, outcome.unfamiliar = "familiar", len(pixels) - int(familiar.sum())
            self.drift.observe_each(outputs)
        return outputs

    def _deadline(self) -> float:
        return time.perf_counter() + self._deadline_s

    @contextmanager
    def _accounted(self, pictures: int = 1) -> Iterator[Outcome]:
        """Admit pictures, count what comes of them, and turn what goes wrong into problems."""
        with self._metrics.outcome(pictures) as outcome:
            try:
                with self.admission.slot(pictures):
                    yield outcome
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

    def count_refusal(self, refused: Refused) -> None:
        """Count a picture that was refused before `answer` was asked."""
        self._metrics.refusal(refused.reason)
