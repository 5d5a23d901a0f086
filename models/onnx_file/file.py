"""An .onnx file as it was at one moment: read whole, so that what was verified is what is opened."""

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from models.onnx_file.scan import OnnxFileError, scan_metadata

MAX_FILE_BYTES = 512 * 2**20
"""While a file is verified it is in memory several times over. The largest model here has 20 MB."""


FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_BINARY"))
"""Without waiting for somebody who writes into a pipe."""


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What tells a file from the one that had its name before."""

    mtime_ns: int
    size: int
    inode: int

    @staticmethod
    def of(status: os.stat_result) -> "FileStamp":
        return FileStamp(status.st_mtime_ns, status.st_size, status.st_ino)


@dataclass(frozen=True)
class OnnxFile:
    """metadata: the file's own texts by name, the card among them."""

    path: Path
    data: bytes = field(repr=False)
    stamp: FileStamp
    sha256: str
    metadata: dict[str, str] = field(repr=False)

    @staticmethod
    def of(path: Path, data: bytes, stamp: FileStamp) -> "OnnxFile":
        """Raises OnnxFileError where the bytes are not to be trusted."""
        return OnnxFile(path, data, stamp, hashlib.sha256(data).hexdigest(), scan_metadata(data))


def read_onnx(path: Path) -> OnnxFile:
    """Read a file and look through it. Raises OnnxFileError."""
    try:
        descriptor = os.open(path, FLAGS)
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
