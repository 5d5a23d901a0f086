"""The files of the prediction log: JSON lines that rotate by size.

Each process writes files of its own, predictions-SLOT.jsonl, and .jsonl.1 and so on for the full ones. Slots
are numbered and reused when their process has ended, so restarts do not add up on the disk
(docs/decisions/0014).
"""

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


class LogError(Exception):
    """The prediction log asked for cannot be written; the message says why and what to set."""


def check(folder: Path) -> None:
    """Make the folder where it is missing, and try to write a file in it.

    Raises:
        LogError: One of both fails.
    """
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

    Args:
        folder: Made where it is missing.
        max_bytes: Size at which a file is full and the next one is begun.
        max_full_files: Full files that are kept; older ones are deleted.
        on_drop: Called with the reason for each line that could not be written.
    """

    def __init__(
        self, folder: Path, max_bytes: int, max_full_files: int, on_drop: Callable[[BaseException], None]
    ) -> None:
        slot, self._lock_file = _claim_slot(folder)
        path = folder / f"predictions-{slot}.jsonl"
        super().__init__(path, maxBytes=max_bytes, backupCount=max_full_files, encoding="utf-8", delay=True)
        self._on_drop = on_drop

    def emit(self, record: LogRecord) -> None:
        """Write a line, to a new file where the open one was moved or removed."""
        if self.stream is not None and not _is_at(self.stream, Path(self.baseFilename)):
            self._discard_stream()
        super().emit(record)

    def handleError(self, record: LogRecord) -> None:  # noqa: N802  # logging's name
        """Report a line that could not be written."""
        error = sys.exception()
        # The buffer goes too: flushed later, the rest of the line would corrupt another one.
        self._discard_stream()
        self._on_drop(error or OSError("unknown"))

    def close(self) -> None:
        """Close the file and free its slot."""
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
                    stream.write("\n")  # the last process was killed within a line
        return stream

    def _discard_stream(self) -> None:
        stream, self.stream = self.stream, None  # opened again for the next line
        if stream is not None:
            with suppress(OSError):
                stream.close()


def _is_at(stream: IO[str], path: Path) -> bool:
    """False where the file was moved or removed: lines written to it would be lost."""
    with suppress(OSError):
        return os.path.samestat(path.stat(), os.fstat(stream.fileno()))
    return False


def _claim_slot(folder: Path) -> tuple[int | str, IO[str] | None]:
    """The first slot that no living process has, and the file whose lock holds it.

    Where there are no locks, or nothing can be written yet, the process id and None.
    """
    try:
        import fcntl  # not on Windows

        folder.mkdir(parents=True, exist_ok=True)
        for slot in count():
            file = (folder / f"predictions-{slot}.lock").open("w")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                continue
            return slot, file
    except (ImportError, OSError):
        pass
    return os.getpid(), None
