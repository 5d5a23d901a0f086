"""The cores that this process may use."""

import math
import os
from contextlib import suppress
from pathlib import Path

CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Microseconds of CPU time per period, or max (https://docs.kernel.org/admin-guide/cgroup-v2.html)."""


def usable_cores(quota_file: Path = CGROUP_QUOTA) -> int:
    """Cores, as the affinity of this process and the CPU quota of its container allow; at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(OSError, ValueError):  # no quota, or none of that form
        quota, period = quota_file.read_text().split()
        cores = min(cores, math.ceil(int(quota) / int(period)))
    return max(cores, 1)
