"""Memory that glibc holds after it was freed."""

import ctypes
import sys


def trim() -> None:
    """Return free memory to the system; does nothing without glibc.

    glibc keeps the pages of a model that was freed, and the next model does not fit between what is
    left: ten swaps of a model of 20 MB left 280 MB more without this, none with it (docs/decisions/0013).
    Other threads run meanwhile, but may wait for memory.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
