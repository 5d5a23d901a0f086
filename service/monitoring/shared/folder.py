"""The folder that the workers of one service share, where there are several.

Metrics, drift counts and the quarantine write files there; those of one worker end in its process id.
"""

import contextlib
import errno
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names it. prometheus_client itself reads it, when it is imported."""

BYTES_PER_WORKER = 4 * 2**20
"""On disk, for the metrics of one worker: several times what they take."""

log = logging.getLogger(__name__)


def shared_folder() -> Path | None:
    """The folder; None where a single process serves."""
    folder = os.environ.get(SHARED_FOLDER)
    return Path(folder) if folder else None


def pid_of(file: Path) -> int:
    """The process id at the end of a worker's file: NAME_PID.SUFFIX."""
    return int(file.stem.rpartition("_")[2])


def remove_files_of_dead_workers(folder: Path, pattern: str) -> None:
    """Remove the files of workers that were killed and could not remove their own."""
    for file in folder.glob(pattern):
        try:
            os.kill(pid_of(file), 0)
        except ProcessLookupError:
            file.unlink(missing_ok=True)  # another worker may have removed it just now


@contextlib.contextmanager
def new_shared_folder(workers: int) -> Iterator[None]:
    """A folder for this many workers while the block lasts; none where the disk is full or read-only.

    To be entered before prometheus_client is imported.
    """
    with contextlib.ExitStack() as end:
        try:
            folder = end.enter_context(tempfile.TemporaryDirectory(prefix="glimpse-metrics-"))
            if shutil.disk_usage(folder).free < workers * BYTES_PER_WORKER:
                # Mapped into memory: a page that the disk has no space for would kill the worker.
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), folder)
        except OSError as error:
            log.warning("Each worker counts for itself, and /metrics shows one of them: %s", error)
        else:
            os.environ[SHARED_FOLDER] = folder
        yield
