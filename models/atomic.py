"""Files that appear whole or not at all: written under another name, then renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a name beside `path` to write to; it takes the place of `path` when the block ends.

    For writers that want a path (torch.save, np.savez, onnx.save_model). Missing folders are made. Where the
    block raises, what it wrote is removed and `path` stays as it was.

    Raises:
        OSError: The file cannot be written or renamed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # np.savez appends its suffix where it is missing, so it stays; the dot hides it from folder watchers.
    partial = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        yield partial
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, data: bytes | str) -> None:
    """Write all of a file at once; a reader sees the old content or the new.

    Args:
        path: Where to. Missing folders are made.
        data: Bytes, or text that is written as UTF-8.

    Raises:
        OSError: The file cannot be written or renamed; `path` stays as it was.
    """
    with replacing(path) as partial:
        partial.write_bytes(data.encode() if isinstance(data, str) else data)
