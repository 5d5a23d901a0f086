"""Memory that glibc holds after it was freed."""

import ctypes
import sys

M_ARENA_MAX = -8
"""The parameter of mallopt(3) that says how many arenas threads share."""

MAX_ARENAS = 2


def limit_arenas() -> None:
    """Let threads share MAX_ARENAS arenas; does nothing without glibc. Called before threads start.

    By default each thread gets an arena of its own, which keeps what large pictures took of it: two workers
    that decode and run photos hold 11 MB more (docs/log.md).
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_ARENA_MAX, MAX_ARENAS)


def trim() -> None:
    """Return free memory to the system; does nothing without glibc.

    glibc keeps the pages of a model that was freed, and the next model does not fit between what is
    left: ten swaps of a model of 20 MB left 280 MB more without this, none with it (docs/decisions/0013).
    Other threads run meanwhile, but may wait for memory.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
