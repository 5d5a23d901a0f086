"""The repository: the folder of models while it is served. New files take the place of old ones, or do not.

A file is read, tried in a process of its own (models/sandbox.py), opened and warmed up beside the engine that
serves its name; then the catalog changes in one assignment. Who has begun with the old engine ends with it.
Each worker watches for itself.
"""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, TypeVar

from pydantic import BaseModel

from models.model import SUFFIX, Model, ZooError, read_model_file
from models.onnx_file.file import FileStamp
from models.onnx_file.scan import printable
from models.sandbox import verify_in_subprocess
from service import malloc
from service.errors import ModelRefused, UnknownModel
from service.inference.device import DeviceError
from service.inference.engine import Engine
from service.inference.session import open_model_on
from service.monitoring import metrics
from service.repository.catalog import Catalog
from service.repository.quarantine import QuarantineEntry
from service.settings import Settings

log = logging.getLogger(__name__)

POLL_INTERVAL_S = 1.0
"""Seconds between two looks at the folder. What differs between them is still being written."""

Files = Mapping[str, FileStamp]
"""The model files of the folder, by the name of the model."""

Result = TypeVar("Result")


class Entry(BaseModel):
    """A line of the index. reason: why a model is not ready, or why the file there now is not its."""

    name: str
    version: str = ""
    state: Literal["READY", "LOADING", "UNAVAILABLE"]
    reason: str = ""


class ModelWatcher:
    """Keeps a catalog at what its folder holds. Lives on one event loop."""

    def __init__(self, catalog: Catalog, settings: Settings) -> None:
        self._catalog = catalog
        self._settings = settings
        self._notes = catalog.notes
        # One at a time: what a change costs in memory and time, it costs once.
        self._changing = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="repository")
        self._loading: set[str] = set()
        self._watching: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        for outcome in ("loaded", "refused", "unloaded"):
            metrics.MODEL_CHANGES.labels(outcome)

    def start(self) -> None:
        """Watch the folder, if the settings say so."""
        if self._settings.watch_models:
            self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Ends the watch and a trial that it has begun."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def index(self) -> list[Entry]:
        """Every model that is served or has a file, by name, as this worker sees it."""
        files, notes = await self._in_thread(self._scan), await self._in_thread(self._notes.all)
        engines = self._catalog.engines
        return [
            self._entry(name, engines.get(name), _about(name, files.get(name), notes))
            for name in sorted({*files, *engines})
        ]

    def _entry(self, name: str, engine: Engine[Any] | None, note: QuarantineEntry | None) -> Entry:
        reason = note.reason if note else ""
        if engine is not None:
            return Entry(name=name, version=engine.card.version, state="READY", reason=reason)
        if name in self._loading:
            return Entry(name=name, state="LOADING")
        return Entry(name=name, state="UNAVAILABLE", reason=reason or "not loaded yet")

    async def load(self, name: str) -> None:
        """Open the file of a model, also where it is unchanged, was refused or was unloaded.

        Here and now; other workers, if they watch, follow where the file is another one than they serve, and
        go on with what they serve where it is not. Raises UnknownModel or ModelRefused.
        """
        async with self._changing:
            stamp = (await self._in_thread(self._scan)).get(name)
            if stamp is None:
                raise UnknownModel(f"There is no file for the model {name[:64]!r} in the folder of models.")
            reason = await self._load(name, stamp)
        if reason:
            raise ModelRefused(reason)

    async def unload(self, name: str) -> None:
        """Serve a model no longer, in all workers that watch, until it is loaded again or its file changes.

        Raises UnknownModel.
        """
        async with self._changing:
            engine = self._catalog.engines.get(name)
            stamp = (await self._in_thread(self._scan)).get(name)
            if engine is None and stamp is None:
                raise UnknownModel(f"There is no model {name[:64]!r} here.")
            if stamp is not None:
                self._notes.put(
                    name, QuarantineEntry(stamp=stamp, reason="unloaded by a call", unloaded=True)
                )
            if engine is not None:
                self._remove(name, "unloaded by a call")

    async def _watch(self) -> None:
        before: Files | None = None
        while True:
            try:
                now = await self._in_thread(self._scan)
                if before is not None:
                    async with self._changing:
                        await self._reconcile(before, now)
                before = now
            except OSError as error:
                if before is not None:
                    log.warning("The folder of models cannot be read: %s. Nothing changes.", error.strerror)
                before = None
            except Exception:
                log.exception("a look at the folder of models failed")
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _reconcile(self, before: Files, now: Files) -> None:
        """Do what the folder says, as far as two looks in a row agree."""
        notes = await self._in_thread(self._notes.all)
        for name in sorted({*now, *self._catalog.engines}):
            stamp, engine = now.get(name), self._catalog.engines.get(name)
            note = _about(name, stamp, notes)
            if stamp != before.get(name):
                continue
            if stamp is None:
                # An empty folder is more likely one that is not mounted.
                if now:
                    self._remove(name, "its file is gone")
            elif note is not None:
                if note.unloaded and engine is not None:
                    self._remove(name, note.reason)
            elif engine is None or engine.stamp != stamp:
                await self._load(name, stamp)
        for name in notes.keys() - now.keys() - before.keys():
            self._notes.drop(name)

    async def _load(self, name: str, stamp: FileStamp) -> str:
        """Why the file was refused; empty where it is now served."""
        self._loading.add(name)
        engine: Engine[Any] | None = None
        try:
            engine = self._catalog.engine(await self._verify_and_open(name))
            await self._in_thread(engine.warm_up)
        # Whatever it is: the file is tried again when it changes or when somebody asks, not every second.
        except Exception as error:
            self._close(engine)
            reason = printable(str(error)) or type(error).__name__
            expected = isinstance(error, ZooError | DeviceError)
            log.error("The file of %s is refused: %s", printable(name), reason, exc_info=not expected)
            metrics.MODEL_CHANGES.labels("refused").inc()
            self._notes.put(name, QuarantineEntry(stamp=stamp, reason=reason))
            return reason
        finally:
            self._loading.discard(name)
        self._notes.drop(name)
        old = self._catalog.put(engine)
        log.info("%s, version %s, is ready on %s", name, engine.card.version, self._catalog.device.name)
        metrics.MODEL_CHANGES.labels("loaded").inc()
        self._close(old)
        return ""

    async def _verify_and_open(self, name: str) -> Model:
        """Tried, then opened: the same bytes. Raises ZooError, DeviceError or OSError."""
        path = self._settings.models_dir / f"{name}{SUFFIX}"
        tried = await verify_in_subprocess(path)
        file = await self._in_thread(lambda: read_model_file(path))
        if file.sha256 != tried:
            raise ZooError(f"{path.name} changed while it was verified.")
        return await self._in_thread(lambda: open_model_on(file, self._catalog.device, self._settings))

    def _remove(self, name: str, why: str) -> None:
        self._close(self._catalog.remove(name))
        log.info("%s is served no longer: %s", name, why)
        metrics.MODEL_CHANGES.labels("unloaded").inc()

    def _close(self, engine: Engine[Any] | None) -> None:
        if engine is not None:
            task = asyncio.create_task(self._end(engine))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _end(self, engine: Engine[Any]) -> None:
        await engine.close()
        await self._in_thread(malloc.trim)

    def _scan(self) -> Files:
        """Raises OSError where the folder cannot be read."""
        files: dict[str, FileStamp] = {}
        with os.scandir(self._settings.models_dir) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX) and not entry.name.startswith("."):
                    # Taken away since the folder was listed, or a link to nothing.
                    with contextlib.suppress(FileNotFoundError):
                        files[entry.name.removesuffix(SUFFIX)] = FileStamp.of(entry.stat())
        return files

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _about(
    name: str, stamp: FileStamp | None, notes: Mapping[str, QuarantineEntry]
) -> QuarantineEntry | None:
    """The note on the file that is there now."""
    note = notes.get(name)
    return note if note is not None and note.stamp == stamp else None
