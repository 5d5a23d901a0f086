"""The cores of a machine: how many, whether they are real, and programs pinned to one of them."""

import os
from collections.abc import Sequence
from pathlib import Path

REAL = 0.8
"""The least share of its own speed that each core keeps while all work; two halves of one keep 0.65."""

COUNT = os.cpu_count() or 1


def pins() -> tuple[int | None, int | None]:
    """The core of a server and that of its generator, where each can have its own."""
    allowed = sorted(os.sched_getaffinity(0))
    return (allowed[0], allowed[-1]) if len(allowed) > 1 else (None, None)


def pinned(command: Sequence[str | Path], core: int | None) -> list[str | Path]:
    """The command on one core; None for any."""
    return [*command] if core is None else ["taskset", "--cpu-list", str(core), *command]


def kind(count: int, gain: float) -> str:
    """What the cores are.

    Args:
        count: Number of cores.
        gain: Rate of a bare loop on as many processes over that on one.
    """
    if count == 1:
        return "1 core"
    if gain >= REAL * count:
        return f"{count} real cores"
    return "2 halves of one core" if count == 2 else f"{count} threads of fewer cores"
