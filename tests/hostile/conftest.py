"""One server for all strangers, with an empty folder as its place for temporary files."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from loadtests.hostile.raw_http import Response, exchange
from loadtests.server import serving
from models.model import ZOO
from tests.support.images import pictures

PNG = pictures.encoded(pictures.digit(7))


@dataclass(frozen=True)
class Attacked:
    """url: of the server. log: what it writes. temporary: where it would put files."""

    url: str
    log: Path
    temporary: Path


@pytest.fixture(scope="package")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    folder = tmp_path_factory.mktemp("attacked")
    temporary = folder / "tmp"
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TMPDIR", str(temporary))
        with serving(ZOO, folder / "log", log_requests="true") as url:
            yield Attacked(url, folder / "log", temporary)


@pytest.fixture(scope="package")
def client(attacked: Attacked) -> Iterator[httpx.Client]:
    limits = httpx.Limits(keepalive_expiry=2)
    with httpx.Client(base_url=attacked.url, timeout=30, limits=limits) as client:
        yield client


@pytest.fixture(scope="package")
def tell(attacked: Attacked) -> Callable[[bytes], list[Response]]:
    """Send bytes on a connection of their own."""
    return lambda data, **options: asyncio.run(exchange(attacked.url, data, **options))


@pytest.fixture(autouse=True)
def _still_answers(client: httpx.Client) -> Iterator[None]:
    """Whatever a test sent, the next request is answered rightly."""
    yield
    answer = client.post("/classify", files={"image": PNG})
    assert (answer.status_code, answer.json()["label"]) == (200, "7")
