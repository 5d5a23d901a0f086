"""All processes of one server, found by a mark in their environment.

The mark also finds those that have left the process tree, as Ray's daemons do. Their descendants count too,
whatever their environment shows: a process that renames itself may overwrite it.
"""

import contextlib
from dataclasses import dataclass
from types import TracebackType

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


class CpuTime:
    """CPU time, user and system, of all processes that carry a mark, while a `with` block runs.

    Processes that end meanwhile count as far as their parents, which carry it too, have waited for them.

    Attributes:
        seconds: Known after the block.
    """

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self.seconds = 0.0

    def __enter__(self) -> "CpuTime":
        self._processes = marked(self._mark)
        self._before = _cpu_s(self._processes)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Those known first: finding new ones takes a while, in which a server may still work.
        after = _cpu_s(self._processes)
        new = [process for process in marked(self._mark) if process not in self._processes]
        self.seconds = after + _cpu_s(new) - self._before


def marked(mark: str) -> list[psutil.Process]:
    """The processes that carry the mark, and their descendants."""
    processes: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        # It may have ended meanwhile, or belong to another user.
        with contextlib.suppress(psutil.Error):
            if process.ppid() in processes or process.environ().get(MARK) == mark:
                processes[process.pid] = process
    return list(processes.values())


def _cpu_s(processes: list[psutil.Process]) -> float:
    """Their CPU time so far, with that of their children that have ended."""
    seconds = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            seconds += times.user + times.system + times.children_user + times.children_system
    return seconds


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
