"""The processes behind a server's address, for tests that send them signals."""

import subprocess
from pathlib import Path
from urllib.parse import urlsplit


def server_of(url: str) -> int:
    """The process that was started for the port of url: the server, or the supervisor of its workers."""
    port = str(urlsplit(url).port)
    found = subprocess.run(["pgrep", "-f", f"service --port {port}"], capture_output=True, text=True)
    return int(found.stdout.split()[0])


def workers_of(url: str) -> list[int]:
    """The processes that answer on the port of url, the supervisor left out."""
    children = subprocess.run(["pgrep", "-P", str(server_of(url))], capture_output=True, text=True)
    return [int(pid) for pid in children.stdout.split() if "spawn_main" in _command_of(int(pid))]


def _command_of(pid: int) -> str:
    """Empty where it has ended meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def has_ended(pid: int) -> bool:
    """Also where nobody has asked for its exit code yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
