"""Where the prediction log lies: files of lines that rotate by size, and pictures under their sha256.

Each process writes files of its own, predictions-<place>.jsonl and .jsonl.1 and so on behind it. Places are
numbered and taken anew when a process has gone, so that restarts do not add up on the disk.
"""

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from itertools import count
from logging import LogRecord
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO

PICTURES = "pictures"


class LogError(Exception):
    """The prediction log asked for cannot be written; the message says why and what to set."""


def check(folder: Path) -> None:
    """Make the folder where it is missing, and a file in it. Raises LogError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise LogError(
            f"GLIMPSE_PREDICTION_LOG={folder}: {error.strerror}. Name a folder that can be written to,"
            " or leave it unset."
        ) from error


class JsonlHandler(RotatingFileHandler):
    """Appends each record's message as a line.

    size: bytes from which on the next file is begun. kept: full files that are kept beside it.
    lost: told why, for each line that could not be written.
    """

    def __init__(self, folder: Path, size: int, kept: int, lost: Callable[[BaseException], None]) -> None:
        place, self._lock_file = _place(folder)
        path = folder / f"predictions-{place}.jsonl"
        super().__init__(path, maxBytes=size, backupCount=kept, encoding="utf-8", delay=True)
        self._lost = lost

    def emit(self, record: LogRecord) -> None:
        if self.stream is not None and not _is_at(self.stream, Path(self.baseFilename)):
            self._drop()
        super().emit(record)

    def handleError(self, record: LogRecord) -> None:  # noqa: N802  # logging's name
        error = sys.exception()
        # With what the disk did not take: written later, it would stand in the middle of another line.
        self._drop()
        self._lost(error or OSError("unknown"))

    def close(self) -> None:
        super().close()
        if self._lock_file is not None:
            self._lock_file.close()

    def _open(self) -> TextIOWrapper:
        path = Path(self.baseFilename)
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = super()._open()
        if stream.seekable() and stream.tell():
            with path.open("rb") as written:
                written.seek(-1, os.SEEK_END)
                if written.read() != b"\n":
                    stream.write("\n")  # whoever wrote last was cut off
        return stream

    def _drop(self) -> None:
        stream, self.stream = self.stream, None  # opened again when needed
        if stream is not None:
            with suppress(OSError):
                stream.close()


class PictureStore:
    """Uploads, each once, in a file named by its sha256. size: bytes of all of them, at most."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder / PICTURES
        self._room = size
        with suppress(OSError), os.scandir(self._folder) as files:
            self._room -= sum(file.stat().st_size for file in files)

    def keep(self, data: bytes) -> str:
        """The sha256. Raises OSError where the picture is not kept."""
        name = hashlib.sha256(data).hexdigest()
        path = self._folder / name
        if path.exists():
            return name
        if len(data) > self._room:
            raise OSError("GLIMPSE_LOG_PICTURES_BYTES are full; archive the folder pictures and restart")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = self._folder / f"{name}.{os.getpid()}"
        try:
            new.write_bytes(data)
            new.replace(path)
        except OSError:
            new.unlink(missing_ok=True)
            raise
        self._room -= len(data)
        return name


def _is_at(stream: IO[str], path: Path) -> bool:
    """False where somebody has moved or removed the file: what is written to it would be lost."""
    with suppress(OSError):
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    return False


def _place(folder: Path) -> tuple[int | str, IO[str] | None]:
    """The first place that no living process has, and the file whose lock holds it. Where there are no locks,
    or nothing can be written yet, the process's number instead."""
    try:
        import fcntl  # not on Windows

        folder.mkdir(parents=True, exist_ok=True)
        for place in count():
            file = (folder / f"predictions-{place}.lock").open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            return place, file
    except (ImportError, OSError):
        pass
    return os.getpid(), None
