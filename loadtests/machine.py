"""What machine figures were measured on: claims carry their conditions."""

import datetime
import os
import platform
import shutil
import subprocess
from pathlib import Path


def facts() -> dict[str, str]:
    """Name -> value, in reading order; no host name and no path."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": _output("git", "describe", "--always", "--dirty") or "unknown",
        "CPU": f"{_cpu()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "GPU": gpu() or "none",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
    }


def gpu() -> str:
    """Name, memory and driver of each GPU as nvidia-smi knows them; empty where there is none."""
    if shutil.which("nvidia-smi") is None:
        return ""
    listed = _output("nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader")
    return "; ".join(
        "{}, {}, driver {}".format(*(part.strip() for part in line.split(",")))
        for line in listed.splitlines()
    )


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _output(*command: str) -> str:
    """Empty where the command fails or is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
