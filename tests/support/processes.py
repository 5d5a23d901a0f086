"""The processes behind a server's address, for tests that send them signals."""

from urllib.parse import urlsplit

import psutil


def server_of(url: str) -> int:
    """The id of the process on this port: the server or its supervisor."""
    arguments = ["service", "--port", str(urlsplit(url).port)]
    for process in psutil.process_iter(["cmdline"]):
        # The shell around a server carries its port in other arguments.
        if (process.info["cmdline"] or [])[-3:] == arguments:
            return process.pid
    raise AssertionError(f"no server of {url} is running")


def workers_of(url: str) -> list[int]:
    """The ids of the worker processes, without their supervisor."""
    workers = []
    for child in psutil.Process(server_of(url)).children():
        try:
            if any("spawn_main" in argument for argument in child.cmdline()):
                workers.append(child.pid)
        except psutil.NoSuchProcess:  # it has ended meanwhile
            continue
    return workers


def has_ended(pid: int) -> bool:
    """Whether a process has ended, be it as a zombie."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
