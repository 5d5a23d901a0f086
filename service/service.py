"""Glimpse, the BentoML service: one picture in, a class or a price out.

BentoML declares the calls, packs them and answers the probes. What happens between the socket and
these methods is service/api/edge.py.
"""

import logging
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import bentoml
from pydantic import Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from models.card import Outputs
from models.model import ZooError
from service.answers import (
    ClassAnswer,
    ClassAnswers,
    PriceAnswer,
    PriceAnswers,
    class_facts,
    price_facts,
)
from service.api.auth import Access
from service.api.edge import Edge
from service.api.endpoints.fan_out import answer_each
from service.errors import NotReady
from service.http.connection import Connection
from service.http.upload_budget import UploadBudget
from service.inference.device import DeviceError
from service.monitoring import request_context
from service.monitoring.prediction_log.writer import PredictionEvent, open_log
from service.repository import catalog
from service.repository.catalog import Catalog
from service.repository.watcher import ModelWatcher
from service.settings import Settings

log = logging.getLogger(__name__)


class _FileField:
    """Declares bytes as a file, the way BentoML's clients and /docs.json know files."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        if handler.mode == "serialization":
            return {"type": "string", "format": "binary"}
        return {"type": "file", "format": "image"}


FactsOf = Callable[[Any, Outputs], Any]
"""class_facts or price_facts."""

File = Annotated[bytes, _FileField()]
ModelName = Annotated[str | None, Field(description="A name from GET /models")]


class PictureForm(bentoml.IODescriptor):
    """What /classify and /price take, as a multipart form."""

    image: File
    model: ModelName = None


class PicturesForm(bentoml.IODescriptor):
    """What /classify/batch and /price/batch take: `images` repeated, 1 to 256 times."""

    model: ModelName = None
    images: list[File]


PictureForm.multipart_fields = ["image"]
PicturesForm.multipart_fields = ["images"]


@bentoml.service(
    name="glimpse",
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    # Each request leaves a timer behind for this long (BentoML never cancels it): not too long. Ours
    # is the deadline that counts, GLIMPSE_DEADLINE_MS; this one only ends uploads that never do.
    traffic={"timeout": 60},
)
class Glimpse:
    """Answers what is on a picture: a class with its probabilities, or a price with its interval."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.access = Access(
            [key.get_secret_value() for key in self.settings.api_keys], self.settings.rate_limit
        )
        self.room = UploadBudget(self.settings.max_held_bytes)
        self.prediction_log = open_log(self.settings)
        self.reason = ""
        """Why the service is not ready; empty where it is."""
        try:
            self._catalog = catalog.opened()
            self._repository = ModelWatcher(self._catalog, self.settings)
        except (ZooError, DeviceError) as error:
            # `python -m service` ends with this reason; BentoML's own command would start the process
            # over and over and hide it.
            log.error("not ready: %s", error)
            self.reason = str(error)

    @property
    def unready_reason(self) -> str:
        """Empty while the service is ready."""
        if Connection.ending:
            return "This process is about to end."
        return self.reason or self._catalog.unready_reason

    @property
    def catalog(self) -> Catalog:
        """Raises NotReady where the models could not be opened."""
        if self.reason:
            raise NotReady(self.reason)
        return self._catalog

    @property
    def repository(self) -> ModelWatcher:
        """Raises NotReady where the models could not be opened."""
        if self.reason:
            raise NotReady(self.reason)
        return self._repository

    @bentoml.on_startup
    async def watch(self) -> None:
        """From now on models change with their files."""
        if not self.reason:
            self._repository.start()

    @bentoml.on_shutdown
    async def rest(self) -> None:
        """The watch ends."""
        if not self.reason:
            await self._repository.stop()

    @bentoml.api(input_spec=PictureForm)
    async def classify(self, image: bytes, model: str | None = None) -> ClassAnswer:
        """The class of the one thing on the picture.

        image: the bytes of one image file. model: a classifier of GET /models; the default if none.
        """
        engine = self.catalog.classifier(model)
        facts = await self._facts("/classify", engine, class_facts, image)
        return ClassAnswer(**dict(facts), **_source(engine.card))

    @bentoml.api(input_spec=PictureForm)
    async def price(self, image: bytes, model: str | None = None) -> PriceAnswer:
        """The price of the car on the picture.

        image: the bytes of one image file. model: a regressor of GET /models; the default if none.
        """
        engine = self.catalog.regressor(model)
        facts = await self._facts("/price", engine, price_facts, image)
        return PriceAnswer(**dict(facts), **_source(engine.card))

    @bentoml.api(route="/classify/batch", input_spec=PicturesForm)
    async def classify_batch(self, images: AsyncIterator[bytes], model: str | None = None) -> ClassAnswers:
        """As classify, for up to 256 pictures: one answer or error each, in order.

        images: the bytes of the image files, as they arrive.
        """
        engine = self.catalog.classifier(model)
        answers = await self._each("/classify/batch", engine, class_facts, images)
        return ClassAnswers(answers=answers, **_source(engine.card))

    @bentoml.api(route="/price/batch", input_spec=PicturesForm)
    async def price_batch(self, images: AsyncIterator[bytes], model: str | None = None) -> PriceAnswers:
        """As price, for up to 256 pictures: one answer or error each, in order.

        images: the bytes of the image files, as they arrive.
        """
        engine = self.catalog.regressor(model)
        answers = await self._each("/price/batch", engine, price_facts, images)
        return PriceAnswers(answers=answers, **_source(engine.card))

    @bentoml.on_shutdown
    def close(self) -> None:
        """Write what the prediction log still has to."""
        if self.prediction_log is not None:
            self.prediction_log.close()

    async def _each(self, call: str, engine: Any, facts: FactsOf, images: AsyncIterator[bytes]) -> list[Any]:
        async def numbered() -> AsyncIterator[tuple[int, bytes]]:
            index = 0
            async for image in images:
                yield index, image
                index += 1

        async def answer(numbered: tuple[int, bytes]) -> Any:
            index, image = numbered
            return await self._facts(call, engine, facts, image, index)

        with engine.pin():
            return await answer_each(numbered(), answer)

    async def _facts(
        self, call: str, engine: Any, facts_of: FactsOf, image: bytes, index: int | None = None
    ) -> Any:
        """The answer to one picture, noted in the prediction log where there is one."""
        if self.prediction_log is None:
            return facts_of(engine.card, await engine.answer(image))
        with request_context.picture_stages() as stages:
            row = await engine.answer(image)
        facts = facts_of(engine.card, row)
        familiarity = float(row["familiarity"])
        request_id = request_context.request_id()
        event = PredictionEvent(request_id, index, call, engine.card, facts, familiarity, stages)
        self.prediction_log.log_prediction(event, image)
        return facts


def _source(card: Any) -> dict[str, str]:
    return {"model": card.name, "version": card.version, "request_id": request_context.request_id()}


Glimpse.add_asgi_middleware(Edge, service=Glimpse)  # type: ignore[attr-defined]  # now a Service
