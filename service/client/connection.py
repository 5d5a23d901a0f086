"""The connection to a service: requests that wait while it cannot answer, and say what it said otherwise."""

import asyncio
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from types import TracebackType
from typing import Any

import httpx

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 120.0

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 4.0
"""Between attempts, where the service does not say how long; each pause is twice the one before."""

BUSY = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE})
"""That the service, or a balancer in front of it, cannot answer just now."""

Waiting = Callable[[str], None]
"""Told the reason whenever a wait begins."""


class NoAnswer(Exception):
    """A request that was not answered as it should be.

    Attributes:
        status: Of the response; None where there was none.
        request_id: To quote to the operator, where there is one.
    """

    def __init__(self, message: str, status: int | None = None, request_id: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id


class Connection:
    """Up to `jobs` connections to one service; a pause that it asks for holds all of them."""

    def __init__(self, url: str, key: str | None, jobs: int, patience: float, waiting: Waiting) -> None:
        """Prepare the connection; nothing is sent yet.

        Args:
            url: Of the service.
            key: For services that ask for one; it is never shown.
            jobs: Requests at the same time.
            patience: Seconds without any answer after which waiting ends.
            waiting: Is told why it waits.
        """
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, pool=None),
            limits=httpx.Limits(max_connections=jobs, max_keepalive_connections=jobs),
        )
        self._url, self._patience, self._waiting = url, patience, waiting
        self._resume_at = 0.0
        self._last_answer = time.monotonic()
        self._given_up = ""

    async def __aenter__(self) -> "Connection":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """The JSON that the service answers.

        Args:
            method: Of the request.
            path: Without a slash at its beginning.
            options: As httpx takes them.

        Raises:
            NoAnswer: It answered with a problem, or not at all within the patience.
        """
        attempt = 0
        while True:
            while (pause := self._resume_at - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            if self._given_up:
                raise NoAnswer(self._given_up)
            try:
                response = await self._client.request(method, path, **options)
            except (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError) as error:
                problem = NoAnswer(f"{self._url} does not answer: {_reason(error)}.")
                pause = min(FIRST_PAUSE_SECONDS * 2**attempt, LONGEST_PAUSE_SECONDS)
            except httpx.HTTPError as error:
                raise NoAnswer(f"The request cannot be sent: {_reason(error)}.") from None
            else:
                if response.status_code not in BUSY:
                    self._last_answer, self._given_up = time.monotonic(), ""
                    return _body(response)
                problem = _problem(response)
                pause = _retry_after(response) or min(FIRST_PAUSE_SECONDS * 2**attempt, LONGEST_PAUSE_SECONDS)
            now = time.monotonic()
            if now + pause > self._last_answer + self._patience:
                if problem.status is None:
                    # The rest is not tried: an address that swallows packets takes seconds for each.
                    self._given_up = str(problem)
                raise problem
            # One pause for all: who is asked to wait does not try on other connections meanwhile.
            self._resume_at = max(self._resume_at, now + pause)
            self._waiting(str(problem))
            attempt += 1


def _body(response: httpx.Response) -> Any:
    if not response.is_success:
        raise _problem(response)
    try:
        return response.json()
    except ValueError:
        kind = response.headers.get("content-type", "nothing")
        raise NoAnswer(f"Something else than Glimpse answered, with {kind}.", response.status_code) from None


def _problem(response: httpx.Response) -> NoAnswer:
    """What the service said, or at least its status."""
    status = response.status_code
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict) and isinstance(body.get("detail"), str):
        request_id = body.get("request_id")
        return NoAnswer(body["detail"], status, request_id if isinstance(request_id, str) else None)
    return NoAnswer(f"The answer was {status} {response.reason_phrase}.", status)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that the service asks to wait for: a number, or a date (RFC 9110, section 10.2.3)."""
    text = response.headers.get("retry-after", "")
    if text.isdecimal() and text.isascii():
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    return (str(error) or type(error).__name__).rstrip(".")
