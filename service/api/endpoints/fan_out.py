"""Many pictures in one request: each is answered as it arrives, and spoils at most itself."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from service.answers import PictureProblem, ProblemDetail
from service.errors import InternalError, Overloaded, Problem
from service.monitoring import request_context

log = logging.getLogger(__name__)

Picture = TypeVar("Picture")
Facts = TypeVar("Facts")

MAX_CONCURRENT = 64
"""Pictures of one request that are under way at once. While so many are, no more is read from the
socket: what a request may hold in memory is bounded, and one client cannot fill the queues."""


async def answer_each(
    pictures: AsyncIterator[Picture], answer: Callable[[Picture], Awaitable[Facts]]
) -> list[Facts | PictureProblem]:
    """An answer for each picture, in order. pictures: may go on arriving meanwhile; what it raises ends
    all."""
    places = asyncio.Semaphore(MAX_CONCURRENT)

    async def one(picture: Picture) -> Facts | PictureProblem:
        try:
            return await answer(picture)
        except Problem as problem:
            return _in_place(problem)
        except MemoryError:
            log.error("a picture of a batch: out of memory")
            return _in_place(Overloaded("The server is out of memory; try again shortly."))
        except Exception:
            log.exception("a picture of a batch failed")
            return _in_place(
                InternalError(f"The server could not answer; quote request {request_context.request_id()}.")
            )
        finally:
            places.release()

    tasks: list[asyncio.Task[Facts | PictureProblem]] = []
    try:
        async for picture in pictures:
            await places.acquire()
            tasks.append(asyncio.create_task(one(picture)))
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        raise


def _in_place(problem: Problem) -> PictureProblem:
    return PictureProblem(
        error=ProblemDetail(title=problem.title, status=problem.status, detail=problem.detail)
    )
