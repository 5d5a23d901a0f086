"""An .onnx file read whole, so that the bytes verified are the bytes opened."""

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from models.onnx_file.scan import OnnxFileError, scan_metadata

MAX_FILE_BYTES = 512 * 2**20
"""Verification holds several copies in memory. The largest model here has 20 MB."""

OPEN_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_BINARY"))
"""O_NONBLOCK: opening a pipe does not wait for its writer."""


@dataclass(frozen=True, slots=True)
class FileStamp:
    """The identity of a file's content: it differs when a file is changed or replaced.

    Attributes:
        mtime_ns: Time of the last modification, in nanoseconds since the epoch.
        size: In bytes.
        inode: Of the file system.
    """

    mtime_ns: int
    size: int
    inode: int

    @staticmethod
    def of(status: os.stat_result) -> "FileStamp":
        """The stamp in a file's status."""
        return FileStamp(status.st_mtime_ns, status.st_size, status.st_ino)


@dataclass(frozen=True)
class OnnxFile:
    """A file that passed the scan.

    Attributes:
        data: The whole file.
        stamp: Of the file when it was read.
        sha256: Of `data`, in hex.
        metadata: The texts in the ONNX metadata by key, the card among them.
    """

    path: Path
    data: bytes = field(repr=False)
    stamp: FileStamp
    sha256: str
    metadata: dict[str, str] = field(repr=False)

    @staticmethod
    def of(path: Path, data: bytes, stamp: FileStamp) -> "OnnxFile":
        """Scan a file's bytes.

        Raises:
            OnnxFileError: The bytes are not to be trusted.
        """
        return OnnxFile(path, data, stamp, hashlib.sha256(data).hexdigest(), scan_metadata(data))


def read_onnx(path: Path) -> OnnxFile:
    """Read and scan a file.

    Raises:
        OnnxFileError: It cannot be read, is not a regular file, is too large, changes while it is read, or
            its bytes are not to be trusted.
    """
    try:
        descriptor = os.open(path, OPEN_FLAGS)
        try:
            data, stamp = _read(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise OnnxFileError(f"it cannot be read: {error.strerror}") from None
    return OnnxFile.of(path, data, stamp)


def _read(descriptor: int) -> tuple[bytes, FileStamp]:
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise OnnxFileError("it is no regular file")
    if status.st_size > MAX_FILE_BYTES:
        raise OnnxFileError(f"it has {status.st_size:,} bytes; at most {MAX_FILE_BYTES:,} are opened")
    with open(descriptor, "rb", closefd=False) as file:
        data = file.read(status.st_size + 1)
    if len(data) != status.st_size or FileStamp.of(os.fstat(descriptor)) != FileStamp.of(status):
        raise OnnxFileError("it changed while it was read; write it under another name, then rename it")
    return data, FileStamp.of(status)
