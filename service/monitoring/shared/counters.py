"""Counters that the workers of one service share: each writes its own, any of them sums up all.

Each worker's lie in a small file of the shared folder, mapped into its memory: adding is no system call,
and no lock is taken.
"""

import mmap
import os
from array import array
from contextlib import suppress
from typing import Literal

from models.atomic import replacing
from service.monitoring.shared.folder import pid_of, remove_files_of_dead_workers, shared_folder

DOUBLE: Literal["d"] = "d"
"""Eight bytes, which are read and written as a whole; exact up to 2**53."""


class SharedCounters:
    """A fixed number of counters.

    Args:
        name: The same in all workers that count the same.
        size: How many counters.
        keep_dead: Whether what a worker counted stays in the sum when it has ended.

    Attributes:
        own: This process's counters, to add to and to take from.
    """

    def __init__(self, name: str, size: int, keep_dead: bool = False) -> None:
        self._folder = shared_folder()
        self._name = name
        self._keep_dead = keep_dead
        self.own: list[float] | memoryview[float] = [0.0] * size
        if self._folder is not None:
            self.own = self._map_new_file(size)

    def total(self) -> list[float]:
        """The counters of all workers, summed. May be off by an answer that is being counted."""
        total = list(self.own)
        if self._folder is None:
            return total
        pattern = self._file("*")
        if not self._keep_dead:
            remove_files_of_dead_workers(self._folder, pattern)
        for path in self._folder.glob(pattern):
            if pid_of(path) != os.getpid():
                with suppress(FileNotFoundError):  # another worker has just removed it
                    counts = array(DOUBLE, path.read_bytes())
                    total = [mine + theirs for mine, theirs in zip(total, counts, strict=True)]
        return total

    def _file(self, pid: int | str) -> str:
        return f"{self._name}_{pid}.counts"

    def _map_new_file(self, size: int) -> "memoryview[float]":
        assert self._folder is not None
        # Never written in place: an older engine of the same model may still count in the file that is there.
        with replacing(self._folder / self._file(os.getpid())) as new:
            new.write_bytes(bytes(size * array(DOUBLE).itemsize))
            with new.open("r+b") as file:
                return memoryview(mmap.mmap(file.fileno(), 0)).cast(DOUBLE)
