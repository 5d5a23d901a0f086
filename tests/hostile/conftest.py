"""One server for all hostile requests, with an empty folder for its temporary files."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from loadtests.hostile.raw_http import Response, exchange
from loadtests.server import serving
from models.model import ZOO
from tests.support.http_calls import PNG
from tests.support.waiting import WITHIN_S


@dataclass(frozen=True)
class Attacked:
    """A server under attack.

    Attributes:
        url: Its base URL.
        log: What it writes.
        temporary: Where it would put files.
    """

    url: str
    log: Path
    temporary: Path


@pytest.fixture(scope="package")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    """The server that all tests of the package attack."""
    folder = tmp_path_factory.mktemp("attacked")
    temporary = folder / "tmp"
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TMPDIR", str(temporary))
        for name in ("PREDICT", "HEALTH"):
            environment.setenv(f"AIP_{name}_ROUTE", f"/vertex/{name.lower()}")
        with serving(ZOO, folder / "log", log_requests="true") as url:
            yield Attacked(url, folder / "log", temporary)


@pytest.fixture(scope="package")
def client(attacked: Attacked) -> Iterator[httpx.Client]:
    """A client that keeps its connections: what a request leaves behind meets the next one."""
    limits = httpx.Limits(keepalive_expiry=2)
    with httpx.Client(base_url=attacked.url, timeout=WITHIN_S, limits=limits, verify=False) as client:
        yield client


@pytest.fixture(scope="package")
def tell(attacked: Attacked) -> Callable[[bytes], list[Response]]:
    """Send bytes on a connection of their own."""
    return lambda data, **options: asyncio.run(exchange(attacked.url, data, **options))


@pytest.fixture(autouse=True)
def _still_answers(client: httpx.Client) -> Iterator[None]:
    """After whatever a test sent, the next request is answered rightly."""
    yield
    answer = client.post("/classify", files={"image": PNG})
    assert (answer.status_code, answer.json()["label"]) == (200, "7")
