"""Atomic file writes: write under another name, then rename."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; it replaces `path` when the block ends.

    For writers that take a path (torch.save, np.savez, onnx.save_model). Missing folders are created. If the
    block raises, the temporary file is removed and `path` is unchanged.

    Raises:
        OSError: The file cannot be written or renamed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # The suffix stays, since np.savez appends a missing one; the dot hides the file from folder watchers.
    partial = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write a whole file; readers see the old content or the new, nothing in between.

    Args:
        path: The file to write. Missing folders are created.
        data: Bytes, or text, which is encoded as UTF-8.

    Raises:
        OSError: The file cannot be written or renamed; `path` is unchanged.
    """
    with replacing(path) as partial:
        partial.write_bytes(data.encode() if isinstance(data, str) else data)
