"""Asking about many pictures: each is read, sent and printed, and counted as answered or not."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from service.client.connection import Connection, NoAnswer
from service.client.ordered import map_in_order
from service.client.output import Row, Rows
from service.client.pictures import Picture, UnreadablePicture
from service.client.progress import Progress

HEADERS = {"Content-Type": "application/octet-stream"}
"""The service looks at the bytes."""


@dataclass
class Count:
    """Of the pictures that were asked about.

    Attributes:
        asked: All of them so far.
        answered: Those with an answer.
        first_error: What was wrong with the first that has none, with its path.
    """

    asked: int = 0
    answered: int = 0
    first_error: str = ""


@dataclass(frozen=True)
class Question:
    """What is asked about every picture.

    Attributes:
        call: The path of the call.
        model: None for the default.
        max_side: Pixels of the longer side beyond which a picture is shrunk; None sends it as it is.
    """

    call: str
    model: str | None
    max_side: int | None

    async def ask(self, connection: Connection, picture: Picture) -> Row:
        """The answer to one picture, or why there is none, with its path."""
        row: dict[str, Any] = {"path": picture.name}
        try:
            content = await asyncio.to_thread(picture.read, self.max_side)
            parameters = {"model": self.model} if self.model else {}
            answer = await connection.request(
                "POST", self.call, params=parameters, content=content, headers=HEADERS
            )
            if not isinstance(answer, dict):
                raise NoAnswer("Something else than Glimpse answered.")
            return row | answer
        except UnreadablePicture as error:
            return row | {"error": str(error)}
        except NoAnswer as error:
            told = {"error": str(error), "status": error.status, "request_id": error.request_id}
            return row | {name: value for name, value in told.items() if value is not None}


async def ask_all(
    connection: Connection,
    question: Question,
    pictures: Iterable[Picture],
    jobs: int,
    rows: Rows,
    progress: Progress,
    count: Count,
) -> None:
    """Ask about every picture, and print what is said of each in their order.

    Args:
        connection: To the service.
        question: Asked about each.
        pictures: Taken as they are asked about.
        jobs: Pictures that are asked about at the same time.
        rows: Takes the results.
        progress: Is told of each.
        count: Is kept up to date, also where this is interrupted.
    """

    async def ask(picture: Picture) -> Row:
        return await question.ask(connection, picture)

    async for row in map_in_order(ask, pictures, jobs):
        count.asked += 1
        if "error" not in row:
            count.answered += 1
        elif not count.first_error:
            count.first_error = f"{row['path']}: {row['error']}"
        rows.write(row)
        progress.advance()
