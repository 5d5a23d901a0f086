"""Glimpse, the BentoML service: one picture in, a class or a price out.

BentoML declares the calls, packs them, starts the processes and answers the probes. What happens
between the socket and these methods is service/edge.py.
"""

from typing import Annotated, Any

import bentoml
from pydantic import Field, GetJsonSchemaHandler
from pydantic_core import CoreSchema

from service import request
from service.answers import ClassAnswer, PriceAnswer, class_answer, price_answer
from service.catalog import Catalog
from service.edge import Edge
from service.settings import Settings


class _FileField:
    """Declares bytes as a file, the way BentoML's clients and /docs.json know files."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        if handler.mode == "serialization":
            return {"type": "string", "format": "binary"}
        return {"type": "file", "format": "image"}


class PictureForm(bentoml.IODescriptor):
    """What /classify and /price take, as a multipart form."""

    image: Annotated[bytes, _FileField()]
    model: Annotated[str | None, Field(description="A name from GET /models")] = None


PictureForm.multipart_fields = ["image"]


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
        self.catalog = Catalog.open(self.settings)

    @bentoml.api(input_spec=PictureForm)
    async def classify(self, image: bytes, model: str | None = None) -> ClassAnswer:
        """The class of the one thing on the picture.

        image: the bytes of one image file. model: a classifier of GET /models; the default if none.
        """
        engine = self.catalog.classifier(model)
        row = await engine.answer(image)
        return class_answer(engine.card, row, request.current_id())

    @bentoml.api(input_spec=PictureForm)
    async def price(self, image: bytes, model: str | None = None) -> PriceAnswer:
        """The price of the car on the picture.

        image: the bytes of one image file. model: a regressor of GET /models; the default if none.
        """
        engine = self.catalog.regressor(model)
        row = await engine.answer(image)
        return price_answer(engine.card, row, request.current_id())


Glimpse.add_asgi_middleware(Edge, service=Glimpse)  # type: ignore[attr-defined]  # now a Service
