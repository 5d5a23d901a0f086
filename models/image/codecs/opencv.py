"""OpenCV's decoders, without the lines that libpng and libjpeg print.

Both write a line per odd file to C's stderr, and OpenCV cannot stop them: clients would fill the log.
"""

import ctypes
import os
import threading
from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

from models.image.colour import Picture

Span = tuple[int, int]
"""Start and end of a part of a file."""


class _SilentStderr:
    """C's stderr leads nowhere while a thread is inside; Python's and C++'s do not go through it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._pointer: ctypes.c_void_p | None = None

    def __enter__(self) -> None:
        with self._lock:
            pointer = self._pointer or self._find()
            self._inside += 1
            pointer.value = self._nowhere

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside and self._pointer:
                self._pointer.value = self._before

    def _find(self) -> ctypes.c_void_p:
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        c_library = ctypes.CDLL(None)
        c_library.fopen.restype = ctypes.c_void_p
        self._nowhere: int = c_library.fopen(os.devnull.encode(), b"w")
        self._pointer = ctypes.c_void_p.in_dll(c_library, "stderr")
        self._before = self._pointer.value
        os.register_at_fork(after_in_child=self._after_fork)
        return self._pointer

    def _after_fork(self) -> None:
        """The child has none of the other threads, which may have been inside or held the lock."""
        self._lock, self._inside = threading.Lock(), 0
        if self._pointer:
            self._pointer.value = self._before


_STDERR = _SilentStderr()


def decode(data: bytes, kept: Sequence[Span], flags: int) -> Picture | None:
    """The pixels of a file, None where OpenCV or this machine cannot: Pillow then says what is wrong.

    Args:
        data: The bytes of the file.
        kept: The parts of it that OpenCV shall see.
        flags: OpenCV's IMREAD flags.
    """
    if "CS_GNU_LIBC_VERSION" not in os.confstr_names:  # other C libraries' stderr is elsewhere, or constant
        return None
    if any(end != start for (_, end), (start, _) in pairwise(kept)):
        data = b"".join([data[start:end] for start, end in kept])
    with _STDERR:
        try:
            return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:  # no memory, or more pixels than OpenCV's own limit
            return None
