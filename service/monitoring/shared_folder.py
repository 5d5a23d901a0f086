"""The folder that the workers of one service share, where there are several.

Metrics, drift counts and the quarantine write files there; those of one worker end in its process id.
"""

import os
from pathlib import Path

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names it. prometheus_client itself reads it, when it is imported."""


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
