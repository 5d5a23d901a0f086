"""The watch of the folder, one look after the other: a file half written, no file left, no folder."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from service.monitoring import metrics
from service.repository import watcher
from service.repository.catalog import Catalog
from service.repository.watcher import ModelWatcher
from service.settings import Settings
from tests.support.models.files import model_file, put
from tests.support.waiting import reached

pytestmark = pytest.mark.slow


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """A folder of one model, which is looked at without a pause."""
    monkeypatch.setattr(watcher, "POLL_INTERVAL_S", 0.01)
    folder = tmp_path / "zoo"
    folder.mkdir()
    put(folder, "digits-linear", model_file(version="linear"))
    return folder


@asynccontextmanager
async def watched(zoo, before_each_look: Callable[[], object]) -> AsyncIterator[Catalog]:
    """The catalog of a folder that is watched."""
    settings = Settings(models_dir=zoo, device="cpu")
    catalog = Catalog.open(settings)
    watch = ModelWatcher(catalog, settings)
    scan = watch._scan

    def look():
        before_each_look()
        return scan()

    watch._scan = look
    await watch.start()
    yield catalog
    await watch.stop()


def test_a_file_that_is_still_being_written_is_waited_for(zoo):
    """Something is added to it between any two looks."""
    path, data = zoo / "digits-linear.onnx", model_file(version="2")
    rest = [data[at : at + len(data) // 12] for at in range(0, len(data), len(data) // 12)]
    refused = metrics.MODEL_CHANGES.labels("refused")._value.get()
    seen = []

    def write_more() -> None:
        if rest:
            seen.append(catalog.classifier(None).card.version)
            with path.open("ab" if len(seen) > 1 else "wb") as file:
                file.write(rest.pop(0))

    async def scenario() -> None:
        nonlocal catalog
        async with watched(zoo, lambda: write_more() if catalog else None) as catalog:
            await reached(lambda: catalog.classifier(None).card.version == "2")

    catalog: Catalog | None = None
    asyncio.run(scenario())
    assert len(seen) > 11
    assert set(seen) == {"linear"}
    assert metrics.MODEL_CHANGES.labels("refused")._value.get() == refused


def test_the_default_follows_and_an_empty_folder_changes_nothing(zoo, tmp_path, caplog):
    looks: list[None] = []

    async def scenario() -> None:
        async with watched(zoo, lambda: looks.append(None)) as catalog:

            def version() -> str:
                return catalog.classifier(None).card.version

            async def a_few_looks() -> None:
                goal = len(looks) + 4
                await reached(lambda: len(looks) >= goal)

            assert version() == "linear"
            for new in ("cnn", "cnn-2"):
                put(zoo, "digits-cnn", model_file("digits-cnn", new, of="digits-cnn"))
                await reached(lambda new=new: version() == new)
            (zoo / "digits-cnn.onnx").unlink()
            await reached(lambda: version() == "linear")

            (zoo / "digits-linear.onnx").unlink()
            await a_few_looks()
            assert version() == "linear"
            zoo.rename(tmp_path / "away")  # and so does no folder at all
            await a_few_looks()
            assert version() == "linear"
            assert "cannot be read" in caplog.text
            (tmp_path / "away").rename(zoo)
            put(zoo, "digits-linear", model_file(version="again"))
            await reached(lambda: version() == "again")

    asyncio.run(scenario())
