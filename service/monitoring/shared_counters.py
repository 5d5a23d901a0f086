"""Counts that the workers of one service share: each adds to its own, whoever is asked sums them up.

Each worker's lie in a small file of the folder that the metrics share too (service/monitoring/metrics.py),
mapped into its memory: adding is no system call, and no lock is taken.
"""

import mmap
import os
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that prometheus_client itself reads, when it is imported; set where workers are several."""

UNSIGNED: Literal["I"] = "I"
"""Four bytes, of which reading and writing are never seen half done."""


class SharedCounters:
    """own: this process's counts, to add to and to take from. name: that of the file, the same in all
    workers that count the same."""

    def __init__(self, name: str, size: int) -> None:
        folder = os.environ.get(SHARED_FOLDER)
        self._folder = Path(folder) if folder else None
        self._name = name
        self.own: list[int] | memoryview[int] = (
            [0] * size if self._folder is None else _mapped(self._folder / self._file(os.getpid()), size)
        )

    def total(self) -> list[int]:
        """The counts of all workers that live. May be off by the one answer that is being counted."""
        total = list(self.own)
        for counts in self._of_others():
            total = [mine + theirs for mine, theirs in zip(total, counts, strict=True)]
        return total

    def _of_others(self) -> Iterator[list[int]]:
        if self._folder is None:
            return
        for path in self._folder.glob(self._file("*")):
            pid = int(path.stem.rpartition("_")[2])
            if pid == os.getpid():
                continue
            try:
                os.kill(pid, 0)
                yield array(UNSIGNED, path.read_bytes()).tolist()
            except ProcessLookupError:  # it was killed: nobody else can take its counts back
                path.unlink(missing_ok=True)
            except FileNotFoundError:  # and somebody else just did
                continue

    def _file(self, pid: int | str) -> str:
        return f"{self._name}_{pid}.counts"


def _mapped(path: Path, size: int) -> "memoryview[int]":
    # Under another name first: one that is there already may still be counted in.
    new = path.with_suffix(".new")
    new.write_bytes(bytes(size * array(UNSIGNED).itemsize))
    with new.open("r+b") as file:
        counts = memoryview(mmap.mmap(file.fileno(), 0)).cast(UNSIGNED)
    new.replace(path)
    return counts
