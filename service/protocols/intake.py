"""The intake: what every protocol does with a request before and around its own form.

The rate of the client, the bytes of the body, the work that ends when the client goes: as for /classify.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from models.card import Outputs
from models.image.views import Pixels
from service.answers import PictureProblem
from service.application import Application
from service.errors import Problem, TooLarge
from service.http.asgi_types import Receive, Scope
from service.http.bodies.body import MAX_BATCH_PICTURES, RequestHead, read_body
from service.http.bodies.content_coding import decoded
from service.http.disconnect import cancel_on_disconnect
from service.prediction.predictor import Predicted

Result = TypeVar("Result")

LARGE_BYTES = 64 * 2**10
"""Of a picture that takes a noticeable time to be made of its text."""


class Intake:
    """One request to a protocol, from its head to its predictions."""

    def __init__(self, application: Application, scope: Scope, head: RequestHead, receive: Receive) -> None:
        """Take a request in.

        Args:
            application: Answers it.
            scope: Of the request.
            head: Of the request.
            receive: Of the request.
        """
        self._application = application
        self._scope, self._receive = scope, receive
        self.head = head
        self.model: str | None = scope.get("path_params", {}).get("name")

    @asynccontextmanager
    async def body(self, limit: int) -> AsyncIterator[bytes]:
        """All of the body, inflated, whose bytes count against the upload budget until the block ends.

        Args:
            limit: Bytes that it may have.

        Raises:
            RateLimited: The client sends too many requests.
            UnsupportedCoding: The body is compressed by other means than gzip and deflate.
            Malformed: The body does not inflate.
            TooLarge: The body has more bytes.
            Overloaded: All bodies together have more bytes than the upload budget.
            ClientDisconnected: The body breaks off.
        """
        if self._application.rate_limiter.enabled:  # to tell clients apart takes 4 us
            self._application.rate_limiter.charge(self._client)
        with self._application.upload_budget.reserve(limit) as reservation:
            body = await read_body(self.head, self._receive, reservation)
            if coding := self.head.headers.get(b"content-encoding"):
                body = await decoded(body, coding, reservation)
            yield body

    async def predict(self, call: str, image: bytes, model: str | None) -> Predicted:
        """What a model says of the one picture of this request; raises Problem.

        Args:
            call: The path of the endpoint.
            image: The bytes of one image file.
            model: Any model; None for the default.
        """
        return await self.work(self._application.predictor.predict(call, image, model))

    async def predict_each(
        self, call: str, images: Iterable[bytes | Problem], model: str | None
    ) -> list[Predicted | PictureProblem]:
        """What a model says of each picture of this request, in order.

        Args:
            call: The path of the endpoint.
            images: The bytes of image files, or what is wrong with one; their number is bounded here.
            model: Any model; None for the default.

        Raises:
            Problem: The model is unknown, or there are too many pictures.
        """
        return await self.work(self._application.predictor.predict_each(call, self._counted(images), model))

    async def infer(self, pixels: Pixels, model: str | None) -> Outputs:
        """The outputs of a model, each (N, ...), for the pixels of this request.

        Args:
            pixels: uint8 (N, H, W, C), as the model's view makes them, N at least 1.
            model: Any model; None for the default.

        Raises:
            Problem: The model is unknown, or there is no capacity.
        """
        self.charge_extra(len(pixels) - 1)
        return await self.work(self._application.predictor.infer(pixels, model))

    def charge_extra(self, pictures: int) -> None:
        """Count more pictures of this request against the rate of its client."""
        if pictures and self._application.rate_limiter.enabled:
            self._application.rate_limiter.charge_extra(self._client, pictures)

    async def work(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of some work, which is cancelled when the client disconnects; raises what it raises."""
        return await cancel_on_disconnect(self._scope, self._receive, work)

    async def _counted(self, images: Iterable[bytes | Problem]) -> AsyncIterator[bytes | Problem]:
        for index, image in enumerate(images):
            if index == MAX_BATCH_PICTURES:
                raise TooLarge(f"One request takes at most {MAX_BATCH_PICTURES} pictures; send several.")
            if index:
                self.charge_extra(1)
            yield image
            if isinstance(image, bytes) and len(image) > LARGE_BYTES:
                await asyncio.sleep(0)  # others have their turn before the next one is decoded

    @property
    def _client(self) -> object:
        return self._application.client_of(self._scope, self.head)
