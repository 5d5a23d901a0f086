"""The machine that figures were measured on."""

import datetime
import os
import platform
from pathlib import Path

import psutil

from loadtests.subprocesses import CommandError, output


def facts() -> dict[str, str]:
    """Facts by name, in reading order, without a host name or a path."""
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "commit": _output_or_empty("git", "describe", "--always", "--dirty") or "unknown",
        "CPU": f"{_cpu()}, {os.cpu_count()} cores",
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "GPU": gpu() or "none",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
    }


def gpu() -> str:
    """Name, memory and driver of each GPU by nvidia-smi; empty without any."""
    listed = _output_or_empty(
        "nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"
    )
    return "; ".join(
        "{}, {}, driver {}".format(*(part.strip() for part in line.split(",")))
        for line in listed.splitlines()
    )


def _cpu() -> str:
    """The model of the CPU; psutil does not report it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _output_or_empty(*command: str) -> str:
    """Empty where the command fails or is not installed."""
    try:
        return output(command).strip()
    except (OSError, CommandError):
        return ""
