"""OpenCV's decoders, without the lines that libpng and libjpeg print.

Both write a line per odd file to C's stderr, and OpenCV cannot stop them: clients would fill the log.
"""

import ctypes
import os
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import cv2
import numpy as np

from models.image.colour import Picture

Span = tuple[int, int]
"""Start and end of a part of a file."""


def decode(data: bytes, kept: Sequence[Span], flags: int) -> Picture | None:
    """The pixels of a file, None where OpenCV or this machine cannot: Pillow then says what is wrong.

    Args:
        data: The bytes of the file.
        kept: The parts of it that OpenCV shall see.
        flags: OpenCV's IMREAD flags.
    """
    stderr = _silent_stderr()
    if stderr is None:
        return None
    if any(end != start for (_, end), (start, _) in pairwise(kept)):
        data = b"".join([data[start:end] for start, end in kept])
    with stderr:
        try:
            return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:  # no memory, or more pixels than OpenCV's own limit
            return None


class _Stderr:
    """C's stderr leads nowhere while a thread is inside; Python's and C++'s do not go through it."""

    def __init__(self) -> None:
        c_library = ctypes.CDLL(None)
        c_library.fopen.restype = ctypes.c_void_p
        self._nowhere = c_library.fopen(os.devnull.encode(), b"w")
        self._pointer = ctypes.c_void_p.in_dll(c_library, "stderr")
        self._before = self._pointer.value
        # A list and no lock: appending is atomic, and a process may fork at any time.
        self._inside: list[None] = []

    def __enter__(self) -> None:
        self._inside.append(None)
        self._pointer.value = self._nowhere

    def __exit__(self, *_: object) -> None:
        self._inside.pop()
        if not self._inside:
            self._pointer.value = self._before
        if self._inside:  # a thread came in between the two lines
            self._pointer.value = self._nowhere


@cache
def _silent_stderr() -> _Stderr | None:
    """None without glibc: other C libraries keep their stderr elsewhere, or constant."""
    if "CS_GNU_LIBC_VERSION" not in os.confstr_names:
        return None
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return _Stderr()
