"""Many pictures in one request: each is worked on as it arrives, and spoils at most itself."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from service.answers import PictureProblem, ProblemDetail
from service.errors import InternalError, Overloaded, Problem
from service.monitoring import request_context

log = logging.getLogger(__name__)

Image = TypeVar("Image")
Facts = TypeVar("Facts")

MAX_CONCURRENT = 64
"""Pictures of one request in flight. At that many, nothing more is read from the socket: the memory of one
request is bounded, and one client cannot fill the queues."""


async def map_pictures(
    images: AsyncIterator[Image], facts_of: Callable[[int, Image], Awaitable[Facts]]
) -> list[Facts | PictureProblem]:
    """The facts or the problem of each picture, in order.

    Args:
        images: May go on arriving meanwhile. What it raises ends the whole request.
        facts_of: Called with the index of each picture and what came of it.
    """
    slots = asyncio.Semaphore(MAX_CONCURRENT)

    async def one(index: int, image: Image) -> Facts | PictureProblem:
        try:
            return await facts_of(index, image)
        except Problem as problem:
            return _picture_problem(problem)
        except MemoryError:
            log.error("a picture of a batch: out of memory")
            return _picture_problem(Overloaded("The server is out of memory; try again shortly."))
        except Exception:
            log.exception("a picture of a batch failed")
            request_id = request_context.request_id()
            return _picture_problem(
                InternalError(f"The server could not answer; quote request {request_id}.")
            )
        finally:
            slots.release()

    tasks: list[asyncio.Task[Facts | PictureProblem]] = []
    try:
        async for image in images:
            await slots.acquire()
            tasks.append(asyncio.create_task(one(len(tasks), image)))
        return await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        raise


def _picture_problem(problem: Problem) -> PictureProblem:
    return PictureProblem(
        error=ProblemDetail(title=problem.title, status=problem.status, detail=problem.detail)
    )
