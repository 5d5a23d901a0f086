"""Glimpse, the BentoML service: one picture in, a class or a price out.

BentoML declares the calls, packs them and answers the probes. What happens between the socket and these
methods is service/api/edge.py; what they do is service/prediction/predictor.py.
"""

import functools
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any

import bentoml
from pydantic import Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from service.answers import ClassAnswer, ClassAnswers, PriceAnswer, PriceAnswers
from service.api.edge import Edge
from service.api.routes import Routes
from service.api.surroundings import around
from service.application import Application
from service.http.asgi_types import App
from service.settings import read_settings


class _FileField:
    """Declares bytes as a file, the way BentoML's clients and /docs.json know files."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        if handler.mode == "serialization":
            return {"type": "string", "format": "binary"}
        return {"type": "file", "format": "image"}


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


def declare(application: Callable[[], Application]) -> bentoml.Service[Any]:
    """The service, around an application.

    Args:
        application: Called when BentoML makes its one instance of the service, to which it hands nothing.
    """

    @bentoml.service(
        name="glimpse",
        metrics={"enabled": False},
        logging={"access": {"enabled": False}},
        # Each request leaves a timer behind for this long (BentoML never cancels it): not too long. The
        # deadline that counts is GLIMPSE_DEADLINE_MS; this one only ends uploads that never do.
        traffic={"timeout": 60},
    )
    class Glimpse:
        """Answers what is on a picture: a class with its probabilities, or a price with its interval."""

        def __init__(self) -> None:
            self._application = application()
            self._predictor = self._application.predictor

        @bentoml.on_startup
        async def start(self) -> None:
            """Models follow their files from now on."""
            await self._application.start()

        @bentoml.on_shutdown
        async def stop(self) -> None:
            """The watch ends, the prediction log is written."""
            await self._application.stop()

        @bentoml.api(input_spec=PictureForm)
        async def classify(self, image: bytes, model: str | None = None) -> ClassAnswer:
            """The class of the one thing on the picture.

            image: the bytes of one image file. model: a classifier of GET /models; the default if none.
            """
            return await self._predictor.classify(image, model)

        @bentoml.api(input_spec=PictureForm)
        async def price(self, image: bytes, model: str | None = None) -> PriceAnswer:
            """The price of the car on the picture.

            image: the bytes of one image file. model: a regressor of GET /models; the default if none.
            """
            return await self._predictor.price(image, model)

        @bentoml.api(route="/classify/batch", input_spec=PicturesForm)
        async def classify_batch(
            self, images: AsyncIterator[bytes], model: str | None = None
        ) -> ClassAnswers:
            """As classify, for up to 256 pictures: one answer or error each, in order.

            images: the bytes of the image files, as they arrive.
            """
            return await self._predictor.classify_batch(images, model)

        @bentoml.api(route="/price/batch", input_spec=PicturesForm)
        async def price_batch(self, images: AsyncIterator[bytes], model: str | None = None) -> PriceAnswers:
            """As price, for up to 256 pictures: one answer or error each, in order.

            images: the bytes of the image files, as they arrive.
            """
            return await self._predictor.price_batch(images, model)

    return Glimpse


@functools.cache
def _application() -> Application:
    """That of BentoML's own command, shared by its instance of the service and the edge in front of it."""
    return Application.open_or_explain(read_settings())


def _edge(app: App) -> App:
    application = _application()
    return around(Edge(app, application, Routes.of(application, Glimpse)), application.settings)


Glimpse = declare(_application)
"""What `bentoml serve` and `bentoml build` load."""

Glimpse.add_asgi_middleware(_edge)
