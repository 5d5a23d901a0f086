"""All processes of one server, wherever they have gone: found by a mark in their environment. Linux only."""

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

MARK = "BENCH_MARK"
"""The environment variable that a server's processes inherit."""

PATIENCE = 5.0
"""Seconds between asking a process to end and ending it."""


@dataclass(frozen=True)
class Memory:
    """In MB of 10^6 bytes. largest: resident memory (VmRSS) of the largest process. together: of all
    processes, pages they share counted once (PSS)."""

    largest: float
    together: float


def marked(mark: str) -> list[int]:
    """Their ids."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:  # it ended meanwhile, or is somebody else's
            continue
    return found


def memory(mark: str) -> Memory:
    resident, proportional = [0.0], [0.0]
    for process in marked(mark):
        folder = Path("/proc") / str(process)
        try:
            resident.append(_megabytes(folder / "status", "VmRSS:"))
            proportional.append(_megabytes(folder / "smaps_rollup", "Pss:"))
        except OSError:
            continue
    return Memory(max(resident), sum(proportional))


def end(mark: str, patience: float = PATIENCE) -> None:
    """Ask all of them to end, wait, and end whatever is still there."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in marked(mark):
            _signal(process, number)
        until = time.monotonic() + patience
        while marked(mark):
            if time.monotonic() > until:
                break
            time.sleep(0.05)
        else:
            return


def _signal(process: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _megabytes(path: Path, name: str) -> float:
    for line in path.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0
