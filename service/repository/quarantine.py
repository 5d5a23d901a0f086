"""Model files that are in the folder and must not be served: refused ones and unloaded ones.

With several workers the entries lie in the folder that the workers share. So what one worker was told, or
found out at a price, all of them know, also one that starts again.
"""

import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from models.atomic import write_atomically
from models.onnx_file.file import FileStamp
from service.monitoring.shared.folder import shared_folder

log = logging.getLogger(__name__)

SUFFIX = ".note"


class QuarantineEntry(BaseModel):
    """Why one file is not served; a file that takes its place has another stamp.

    Attributes:
        stamp: Of the file.
        reason: For operators.
        unloaded: True where a call unloaded the model, and no worker serves it. False where the file was
            refused, and a worker that serves an earlier file of that name goes on.
    """

    model_config = ConfigDict(frozen=True)

    stamp: FileStamp
    reason: str
    unloaded: bool = False


class Quarantine:
    """Entries by the name of their model."""

    def __init__(self, folder: Path | None) -> None:
        """Start with the entries of a folder; None keeps them in this process."""
        self._folder = folder
        self._own: dict[str, QuarantineEntry] = {}

    @staticmethod
    def of_this_service() -> "Quarantine":
        """The quarantine that all workers share, where there are several."""
        return Quarantine(shared_folder())

    def entries(self) -> Mapping[str, QuarantineEntry]:
        """All entries, those of other workers included."""
        entries = self._own.copy()
        for file in self._folder.glob(f"[!.]*{SUFFIX}") if self._folder else ():
            # Another worker may be removing it.
            with contextlib.suppress(OSError, ValidationError):
                entries[file.name.removesuffix(SUFFIX)] = QuarantineEntry.model_validate_json(
                    file.read_bytes()
                )
        return entries

    def holds(self, path: Path) -> bool:
        """Whether the file that is at this path now is in quarantine."""
        entry = self.entries().get(path.stem)
        return entry is not None and path.exists() and entry.stamp == FileStamp.of(path.stat())

    def put(self, name: str, entry: QuarantineEntry) -> None:
        """Add an entry, or replace one. Kept in this process where the shared folder cannot be written."""
        self._own[name] = entry
        if self._folder is None:
            return
        try:
            write_atomically(self._folder / f"{name}{SUFFIX}", entry.model_dump_json())
            del self._own[name]
        except OSError as error:
            log.warning("Other workers do not hear of %s: %s.", name, error.strerror)

    def remove(self, name: str) -> None:
        """Remove the entry of a model, if there is one."""
        self._own.pop(name, None)
        if self._folder is not None:
            with contextlib.suppress(OSError):
                (self._folder / f"{name}{SUFFIX}").unlink()

    def clear(self) -> None:
        """Remove all entries, also those that another service left in the same folder."""
        for name in self.entries():
            self.remove(name)
