"""Counters that the workers of one service share: each writes its own, any of them sums up all.

Each worker's lie in a small file of the shared folder, mapped into its memory: adding is no system call,
and no lock is taken.
"""

import mmap
import os
from array import array
from contextlib import suppress
from pathlib import Path
from typing import Literal

from models.atomic import replacing
from service.monitoring.shared_folder import pid_of, remove_files_of_dead_workers, shared_folder

UNSIGNED: Literal["I"] = "I"
"""Four bytes, which are read and written as a whole."""


class SharedCounters:
    """A fixed number of counters.

    Args:
        name: The same in all workers that count the same.
        size: How many counters.

    Attributes:
        own: This process's counters, to add to and to take from.
    """

    def __init__(self, name: str, size: int) -> None:
        self._folder = shared_folder()
        self._name = name
        self.own: list[int] | memoryview[int] = (
            [0] * size
            if self._folder is None
            else _map_new_file(self._folder / self._file(os.getpid()), size)
        )

    def total(self) -> list[int]:
        """The counters of all living workers, summed. May be off by an answer that is being counted."""
        total = list(self.own)
        if self._folder is None:
            return total
        pattern = self._file("*")
        remove_files_of_dead_workers(self._folder, pattern)
        for path in self._folder.glob(pattern):
            if pid_of(path) != os.getpid():
                with suppress(FileNotFoundError):  # another worker has just removed it
                    counts = array(UNSIGNED, path.read_bytes())
                    total = [mine + theirs for mine, theirs in zip(total, counts, strict=True)]
        return total

    def _file(self, pid: int | str) -> str:
        return f"{self._name}_{pid}.counts"


def _map_new_file(path: Path, size: int) -> "memoryview[int]":
    # Never written in place: an older engine of the same model may still count in the file that is there.
    with replacing(path) as new:
        new.write_bytes(bytes(size * array(UNSIGNED).itemsize))
        with new.open("r+b") as file:
            counters = memoryview(mmap.mmap(file.fileno(), 0)).cast(UNSIGNED)
    return counters
