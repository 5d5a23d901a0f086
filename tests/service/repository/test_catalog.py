"""The catalog in one process: a model that leaves it ends its work first, and then is gone."""

import asyncio
import threading
import weakref

import pytest

from models.model import open_model
from models.onnx_file.file import FileStamp
from service.errors import UnknownModel
from service.repository.catalog import Catalog
from service.repository.quarantine import Quarantine, QuarantineEntry
from service.settings import Settings
from tests.support.http_calls import PNG
from tests.support.models.files import model_file, put
from tests.support.waiting import WITHIN_S, reached

pytestmark = pytest.mark.slow


@pytest.fixture
def zoo(tmp_path):
    folder = tmp_path / "zoo"
    folder.mkdir()
    put(folder, "digits-linear", model_file(version="1"))
    return folder


def session_of(engine):
    return weakref.ref(engine._execution._pipeline._model.session)


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("digits-linear")]


def test_a_replaced_engine_ends_its_work_and_leaves_nothing(zoo, monkeypatch):
    monkeypatch.setattr("service.inference.pipeline.MAX_FAST_S", 0)  # so that it has threads to end

    async def scenario():
        catalog = Catalog.open(Settings(models_dir=zoo, device="cpu"))
        old = catalog.classifier(None)
        await old.answer(PNG)
        session, before = session_of(old), len(threads())
        assert before
        new = catalog.load_model(open_model(zoo / "digits-linear.onnx"))
        assert catalog.put(new) is old
        assert catalog.classifier("digits-linear") is new

        with old.pin():
            closing = asyncio.create_task(old.close())
            await asyncio.sleep(0.2)
            assert not closing.done()
            await old.answer(PNG)  # while it is pinned
        await asyncio.wait_for(closing, WITHIN_S)
        await reached(lambda: session() is None and not threads())
        assert len(catalog._workplaces.decode_pool.lanes._lanes) == 1
        await new.answer(PNG)

        assert catalog.remove("digits-linear") is new
        assert catalog.remove("digits-linear") is None
        with pytest.raises(UnknownModel):
            catalog.classifier(None)
        begun = [asyncio.create_task(new.answer(PNG)) for _ in range(20)]
        await asyncio.sleep(0)
        await new.close()
        assert all(task.done() for task in begun)
        await asyncio.gather(*begun)
        assert catalog._workplaces.decode_pool.lanes._lanes == []

    asyncio.run(scenario())


def test_a_restarted_worker_leaves_bad_files_out(zoo, tmp_path, monkeypatch):
    shared = tmp_path / "shared"
    shared.mkdir()
    monkeypatch.setattr("service.repository.catalog.Quarantine.of_this_service", lambda: Quarantine(shared))
    settings = Settings(models_dir=zoo, device="cpu")
    put(zoo, "rubbish", b"not a model")
    put(zoo, "known", model_file("known"))
    status = (zoo / "known.onnx").stat()
    Quarantine(shared).put("known", QuarantineEntry(stamp=FileStamp.of(status), reason="it crashed a trial"))

    again = Catalog.open(settings, strict=False)
    assert set(again.engines) == {"digits-linear"}
    assert "does not open" in Quarantine(shared).entries()["rubbish"].reason

    (zoo / "rubbish.onnx").unlink()
    first = Catalog.open(settings)  # a start, not a worker: everything is opened, nothing is remembered
    assert set(first.engines) == {"digits-linear", "known"}
    assert Quarantine(shared).entries() == {}


def test_notes_are_shared_between_processes_and_kept_where_a_disk_is_full(tmp_path, caplog):
    note = QuarantineEntry(stamp=FileStamp(1, 2, 3), reason="why")
    ours, theirs = Quarantine(tmp_path), Quarantine(tmp_path)
    ours.put("one", note)
    assert theirs.entries() == {"one": note}
    theirs.remove("one")
    assert ours.entries() == {}

    (tmp_path / "two.note").mkdir()  # nothing can be written there
    ours.put("two", note)
    assert ours.entries() == {"two": note}
    assert "Other workers do not hear of two" in caplog.text
    ours.remove("two")
    assert ours.entries() == {}
