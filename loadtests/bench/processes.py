"""All processes of one server, found by a mark in their environment.

The mark also finds those that have left the process tree, as Ray's daemons do.
"""

import contextlib
from dataclasses import dataclass

import psutil

MARK = "BENCH_MARK"
"""The environment variable that a server's processes inherit."""

TERMINATE_TIMEOUT_S = 5.0
"""From SIGTERM to SIGKILL."""


@dataclass(frozen=True)
class Memory:
    """Memory of a server in MB of 10^6 bytes.

    Attributes:
        largest: Resident memory (RSS) of its largest process.
        together: Memory of all its processes, shared pages counted once (PSS).
    """

    largest: float
    together: float


def marked(mark: str) -> list[psutil.Process]:
    """The processes that carry the mark."""
    processes = []
    for process in psutil.process_iter():
        # It may have ended meanwhile, or belong to another user.
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mark:
                processes.append(process)
    return processes


def memory(mark: str) -> Memory:
    """The memory of all processes that carry the mark."""
    resident, proportional = [0.0], [0.0]
    for process in marked(mark):
        with contextlib.suppress(psutil.Error):
            usage = process.memory_full_info()
            resident.append(usage.rss / 1e6)
            proportional.append(usage.pss / 1e6)
    return Memory(max(resident), sum(proportional))


def end(mark: str, timeout_s: float = TERMINATE_TIMEOUT_S) -> None:
    """Terminate the processes that carry the mark; kill those that remain."""
    for signal in (psutil.Process.terminate, psutil.Process.kill):
        processes = marked(mark)
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                signal(process)
        psutil.wait_procs(processes, timeout=timeout_s)
