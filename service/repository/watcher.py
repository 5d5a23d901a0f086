"""Watches the folder of models while it is served: a new file replaces the old one, or is refused.

A file is read, verified in a process of its own (models/sandbox.py), opened and warmed up beside the engine
that serves its name; then the catalog changes in one assignment. Requests in flight finish on the old engine.
Each worker watches for itself (docs/decisions/0013).
"""

import asyncio
import contextlib
import hashlib
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from models.model import SUFFIX, Model, ZooError, is_model_file, read_model_file
from models.onnx_file.file import FileStamp
from models.sandbox import verify_in_subprocess
from service import malloc
from service.errors import ModelRefused, UnknownModel
from service.inference.engine import Engine
from service.inference.session import open_model_on
from service.monitoring import metrics
from service.monitoring.shared.folder import shared_folder
from service.repository.catalog import Catalog
from service.repository.index import IndexEntry, index_entry
from service.repository.quarantine import QuarantineEntry
from service.repository.siblings import Change, Siblings
from service.settings import Settings

log = logging.getLogger(__name__)

POLL_INTERVAL_S = 1.0
"""Between two scans of the folder. A file that differs between them is still being written."""

Files = Mapping[str, FileStamp]
"""The model files of the folder, by the name of the model."""

Result = TypeVar("Result")


class ModelWatcher:
    """Keeps a catalog in step with its folder. Lives on one event loop."""

    def __init__(self, catalog: Catalog, settings: Settings) -> None:
        self._catalog = catalog
        self._settings = settings
        self._quarantine = catalog.quarantine
        # One change at a time: each takes the memory of a second model.
        self._changing = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="repository")
        self._loading: set[str] = set()
        self._watching: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._siblings = Siblings(shared_folder())
        for outcome in ("loaded", "refused", "unloaded"):
            metrics.MODEL_CHANGES.labels(outcome)

    async def start(self) -> None:
        """Watch the folder, if the settings say so, and follow the other workers."""
        await self._siblings.listen(self._follow)
        if self._settings.watch_models:
            self._watching = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """End the watch, and a verification that it has begun."""
        self._siblings.close()
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def index(self) -> list[IndexEntry]:
        """Every model that is served or has a file, by name, as this worker sees it."""
        self._catalog.check_opened()
        files = await self._in_thread(self._scan)
        quarantine = await self._in_thread(self._quarantine.entries)
        engines = self._catalog.engines
        return [
            index_entry(name, engines.get(name), _current(name, files.get(name), quarantine), self._loading)
            for name in sorted({*files, *engines})
        ]

    async def load(self, name: str) -> None:
        """Load the file of a model, also one that is unchanged, was refused or was unloaded; in all workers.

        Raises:
            UnknownModel: There is no file of this name.
            ModelRefused: The file must not be used.
        """
        self._catalog.check_opened()
        async with self._changing:
            stamp = (await self._in_thread(self._scan)).get(name)
            if stamp is None:
                raise UnknownModel(f"There is no file for the model {name[:64]!r} in the folder of models.")
            reason = await self._load(name, stamp)
        if reason:
            raise ModelRefused(reason)
        sha256 = self._catalog.engines[name].sha256 if name in self._catalog.engines else ""
        await self._siblings.tell({"load": name, "sha256": sha256})

    async def unload(self, name: str) -> None:
        """Serve a model no longer, in any worker, until it is loaded or its file changes.

        Raises:
            UnknownModel: There is no model of this name.
        """
        self._catalog.check_opened()
        async with self._changing:
            engine = self._catalog.engines.get(name)
            stamp = (await self._in_thread(self._scan)).get(name)
            if engine is None and stamp is None:
                raise UnknownModel(f"There is no model {name[:64]!r} here.")
            if stamp is not None:
                entry = QuarantineEntry(stamp=stamp, reason="unloaded by a call", unloaded=True)
                self._quarantine.put(name, entry)
            if engine is not None:
                self._remove(name, "unloaded by a call")
        await self._siblings.tell({"unload": name})

    async def _follow(self, change: Change) -> None:
        """Make a change that another worker has made."""
        async with self._changing:
            if (name := change.get("unload")) is not None:
                if name in self._catalog.engines:
                    self._remove(name, "unloaded by a call")
            elif stamp := (await self._in_thread(self._scan)).get(name := change["load"]):
                await self._load(name, stamp, change["sha256"])

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
                log.exception("a scan of the folder of models failed")
            await asyncio.sleep(POLL_INTERVAL_S)

    async def _reconcile(self, before: Files, now: Files) -> None:
        """Make the catalog what the folder says, as far as two scans in a row agree."""
        quarantine = await self._in_thread(self._quarantine.entries)
        for name in sorted({*now, *self._catalog.engines}):
            stamp, engine = now.get(name), self._catalog.engines.get(name)
            entry = _current(name, stamp, quarantine)
            if stamp != before.get(name):
                continue
            if stamp is None:
                # An empty folder is more likely one that is not mounted.
                if now:
                    self._remove(name, "its file is gone")
            elif entry is not None:
                if entry.unloaded and engine is not None:
                    self._remove(name, entry.reason)
            elif engine is None or engine.stamp != stamp:
                await self._load(name, stamp)
        for name in quarantine.keys() - now.keys() - before.keys():
            self._quarantine.remove(name)

    async def _load(self, name: str, stamp: FileStamp, verified: str = "") -> str:
        """Why the file was refused; empty where it is now served.

        Args:
            name: Of the model.
            stamp: Of its file.
            verified: The sha256 of a file that another worker has verified.
        """
        self._loading.add(name)
        try:
            model = await self._verify_and_open(name, verified)
            engine = self._catalog.load_model(model)
        # Whatever it is: the file is tried again when it changes or when a call asks, not every second.
        except Exception as error:
            metrics.MODEL_CHANGES.labels("refused").inc()
            return self._catalog.refuse(name, stamp, error)
        finally:
            self._loading.discard(name)
        self._quarantine.remove(name)
        old = self._catalog.put(engine)
        metrics.MODEL_CHANGES.labels("loaded").inc()
        self._close(old)
        return ""

    async def _verify_and_open(self, name: str, verified: str) -> Model:
        """Open the bytes that were verified.

        Raises:
            ZooError: The file must not be used.
            DeviceError: It would run on another device.
            OSError: It cannot be read.
        """
        path = self._settings.models_dir / f"{name}{SUFFIX}"
        if not verified or await self._in_thread(lambda: _sha256(path)) != verified:
            verified = await verify_in_subprocess(path)
        file = await self._in_thread(lambda: read_model_file(path))
        if file.sha256 != verified:
            raise ZooError(f"{path.name} changed while it was verified.")
        return await self._in_thread(lambda: open_model_on(file, self._catalog.device, self._settings))

    def _remove(self, name: str, reason: str) -> None:
        self._close(self._catalog.remove(name))
        log.info("%s is served no longer: %s", name, reason)
        metrics.MODEL_CHANGES.labels("unloaded").inc()

    def _close(self, engine: Engine[Any] | None) -> None:
        if engine is not None:
            task = asyncio.create_task(self._close_and_trim(engine))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _close_and_trim(self, engine: Engine[Any]) -> None:
        await engine.close()
        await self._in_thread(malloc.trim)

    def _scan(self) -> Files:
        """The model files that are there now. Raises OSError where the folder cannot be read."""
        files: dict[str, FileStamp] = {}
        with os.scandir(self._settings.models_dir) as entries:
            for entry in entries:
                if is_model_file(entry.name):
                    # Removed since the folder was listed, or a link to nothing.
                    with contextlib.suppress(FileNotFoundError):
                        files[entry.name.removesuffix(SUFFIX)] = FileStamp.of(entry.stat())
        return files

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _current(
    name: str, stamp: FileStamp | None, quarantine: Mapping[str, QuarantineEntry]
) -> QuarantineEntry | None:
    """The entry of the file that is there now."""
    entry = quarantine.get(name)
    return entry if entry is not None and entry.stamp == stamp else None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
