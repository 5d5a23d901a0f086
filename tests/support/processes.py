"""The processes behind a server's address, for tests that send them signals."""

from urllib.parse import urlsplit

import psutil


def server_of(url: str) -> int:
    """The id of the process on this port: the server, or the supervisor of its workers."""
    processes = _with_port(url)
    parents = [pid for pid, parent in processes.items() if parent not in processes]
    if len(parents) != 1:
        raise AssertionError(f"{len(parents)} servers of {url} are running")
    return parents[0]


def workers_of(url: str) -> list[int]:
    """The ids of the worker processes, without their supervisor."""
    server = server_of(url)
    return [pid for pid, parent in _with_port(url).items() if parent == server]


def _with_port(url: str) -> dict[int, int]:
    """Processes whose command ends in the port, and their parents: a worker has its supervisor's command."""
    arguments = ["service", "--port", str(urlsplit(url).port)]
    return {
        process.pid: process.info["ppid"]
        for process in psutil.process_iter(["cmdline", "ppid"])
        # The shell around a server carries its port in other arguments.
        if (process.info["cmdline"] or [])[-3:] == arguments
    }


def has_ended(pid: int) -> bool:
    """Whether a process has ended, be it as a zombie."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
