"""The predictor: pictures in, responses out, by the models of a catalog.

Every door of the service ends here: the HTTP calls, BentoML's own, and whatever protocol comes.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from models.card import Card, ClassifierCard, Outputs
from models.image.views import Pixels
from service.answers import (
    ClassAnswer,
    ClassAnswers,
    ClassFacts,
    PictureProblem,
    PriceAnswer,
    PriceAnswers,
    PriceFacts,
    class_facts,
    price_facts,
)
from service.errors import Problem
from service.inference.engine import Engine
from service.monitoring import request_context
from service.monitoring.prediction_log.writer import PredictionEvent, PredictionLog
from service.prediction.fan_out import map_pictures
from service.repository.catalog import Catalog

FactsOf = Callable[[Any, Outputs], Any]
"""class_facts or price_facts: (card, outputs of one picture) -> facts."""


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a model says of one picture.

    Attributes:
        card: Of the model.
        outputs: Those of the model, without a batch.
        facts: What they mean.
    """

    card: Card
    outputs: Outputs
    facts: ClassFacts | PriceFacts


class Predictor:
    """Asks the models of a catalog, and logs every prediction where there is a log."""

    def __init__(self, catalog: Catalog, prediction_log: PredictionLog | None = None) -> None:
        self._catalog = catalog
        self._prediction_log = prediction_log

    async def classify(self, image: bytes, model: str | None = None) -> ClassAnswer:
        """The class of the one thing on the picture.

        Args:
            image: The bytes of one image file.
            model: A classifier; None for the default.

        Raises:
            Problem: The model is unknown, the picture cannot be opened, or there is no capacity.
        """
        engine = self._catalog.classifier(model)
        facts = await self._facts("/classify", engine, class_facts, image)
        return ClassAnswer.model_construct(**vars(facts), **_source(engine))

    async def price(self, image: bytes, model: str | None = None) -> PriceAnswer:
        """The price of the car on the picture.

        Args:
            image: The bytes of one image file.
            model: A regressor; None for the default.

        Raises:
            Problem: The model is unknown, the picture cannot be opened, or there is no capacity.
        """
        engine = self._catalog.regressor(model)
        facts = await self._facts("/price", engine, price_facts, image)
        return PriceAnswer.model_construct(**vars(facts), **_source(engine))

    async def classify_batch(self, images: AsyncIterator[bytes], model: str | None = None) -> ClassAnswers:
        """As classify, for many pictures as they arrive: one answer or error each, in order."""
        engine = self._catalog.classifier(model)
        answers = await self._each("/classify/batch", engine, class_facts, images)
        return ClassAnswers(answers=answers, **_source(engine))

    async def price_batch(self, images: AsyncIterator[bytes], model: str | None = None) -> PriceAnswers:
        """As price, for many pictures as they arrive: one answer or error each, in order."""
        engine = self._catalog.regressor(model)
        answers = await self._each("/price/batch", engine, price_facts, images)
        return PriceAnswers(answers=answers, **_source(engine))

    async def predict(self, call: str, image: bytes, model: str | None = None) -> Predicted:
        """What a model says of one picture, whatever its task: for protocols with a form of their own.

        Args:
            call: The path of the call, for the prediction log.
            image: The bytes of one image file.
            model: Any model; None for the default classifier.

        Raises:
            Problem: As classify.
        """
        return await self._predicted(call, self._catalog.engine(model), image)

    async def predict_each(
        self, call: str, images: AsyncIterator[bytes | Problem], model: str | None = None
    ) -> list[Predicted | PictureProblem]:
        """As predict, for many pictures: one prediction or problem each, in order.

        Args:
            call: As of predict.
            images: The bytes of image files, or what was wrong with one before it came here.
            model: As of predict.
        """
        engine = self._catalog.engine(model)

        async def predicted(index: int, image: bytes | Problem) -> Predicted:
            if isinstance(image, Problem):
                raise image
            return await self._predicted(call, engine, image, index)

        with engine.pin():
            return await map_pictures(images, predicted)

    async def infer(self, pixels: Pixels, model: str | None = None) -> Outputs:
        """The outputs of a model, each (N, ...), for pixels that are as its view makes them.

        There is no picture behind them, so they are not logged.

        Args:
            pixels: uint8 (N, H, W, C), N at least 1.
            model: As of predict.

        Raises:
            Problem: The model is unknown, or there is no capacity.
        """
        return await self._catalog.engine(model).answer_pixels(pixels)

    async def _predicted(
        self, call: str, engine: Engine[Any], image: bytes, index: int | None = None
    ) -> Predicted:
        outputs: Outputs = {}

        def facts_of(card: Card, row: Outputs) -> ClassFacts | PriceFacts:
            outputs.update(row)
            return class_facts(card, row) if isinstance(card, ClassifierCard) else price_facts(card, row)

        facts = await self._facts(call, engine, facts_of, image, index)
        return Predicted(engine.card, outputs, facts)

    async def _each(
        self, call: str, engine: Engine[Any], facts_of: FactsOf, images: AsyncIterator[bytes]
    ) -> list[Any]:
        async def facts(index: int, image: bytes) -> Any:
            return await self._facts(call, engine, facts_of, image, index)

        with engine.pin():
            return await map_pictures(images, facts)

    async def _facts(
        self, call: str, engine: Engine[Any], facts_of: FactsOf, image: bytes, index: int | None = None
    ) -> Any:
        """The facts of one picture, logged where there is a prediction log."""
        if self._prediction_log is None:
            return facts_of(engine.card, await engine.answer(image))
        with request_context.picture_stages() as stages:
            outputs = await engine.answer(image)
        facts = facts_of(engine.card, outputs)
        familiarity = float(outputs["familiarity"])
        request_id = request_context.request_id()
        event = PredictionEvent(request_id, index, call, engine.card, facts, familiarity, stages)
        self._prediction_log.log_prediction(event, image)
        return facts


def _source(engine: Engine[Any]) -> dict[str, Any]:
    return {
        "model": engine.card.name,
        "version": engine.card.version,
        "request_id": request_context.request_id(),
    }
