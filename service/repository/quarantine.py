"""Notes on model files that are in the folder and are not to be served: refused ones and unloaded ones.

With several workers they lie in the folder that the workers share, so that what one of them was told, or
found out at a price, all of them know, also one that is started again.
"""

import contextlib
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from models.onnx_file.file import FileStamp
from service.monitoring.shared_folder import SHARED_FOLDER

log = logging.getLogger(__name__)

SUFFIX = ".note"


class QuarantineEntry(BaseModel):
    """About the file with this stamp; one that takes its place is another file.

    unloaded: nobody serves it, as somebody asked. Otherwise it was refused, and who serves what stood there
    before goes on.
    """

    model_config = ConfigDict(frozen=True)

    stamp: FileStamp
    reason: str
    unloaded: bool = False


class Quarantine:
    """By the name of the model. folder: None keeps them in this process."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._own: dict[str, QuarantineEntry] = {}

    @staticmethod
    def of_this_service() -> "Quarantine":
        folder = os.environ.get(SHARED_FOLDER)
        return Quarantine(Path(folder) if folder else None)

    def all(self) -> Mapping[str, QuarantineEntry]:
        notes = self._own.copy()
        for file in self._folder.glob("*" + SUFFIX) if self._folder else ():
            # Another worker may be taking it away.
            with contextlib.suppress(OSError, ValidationError):
                notes[file.name.removesuffix(SUFFIX)] = QuarantineEntry.model_validate_json(file.read_bytes())
        return notes

    def on(self, path: Path) -> bool:
        """Whether there is one on the file that is at this path now."""
        note = self.all().get(path.stem)
        return note is not None and path.exists() and note.stamp == FileStamp.of(path.stat())

    def put(self, name: str, note: QuarantineEntry) -> None:
        self._own[name] = note
        if self._folder is None:
            return
        file = self._folder / f"{name}{SUFFIX}"
        beside = file.with_suffix(f".{os.getpid()}")
        try:
            beside.write_text(note.model_dump_json())
            beside.replace(file)
            del self._own[name]
        except OSError as error:
            log.warning("Other workers do not hear of %s: %s.", name, error.strerror)

    def clear(self) -> None:
        """Forget all of them, also what another service left in the same folder."""
        for name in self.all():
            self.drop(name)

    def drop(self, name: str) -> None:
        self._own.pop(name, None)
        if self._folder is not None:
            with contextlib.suppress(OSError):
                (self._folder / f"{name}{SUFFIX}").unlink()
