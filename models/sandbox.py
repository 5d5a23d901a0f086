"""A trial: a model file is opened in a process of its own before anything that serves depends on it.

What onnxruntime does with hostile bytes is not known beforehand: it may crash, take all memory or never
end. Here that costs a process with limits.
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import onnxruntime as ort

import models
from models.model import ZooError, open_model
from models.onnx_file.scan import printable

MEMORY_LIMIT_BYTES = 4 * 2**30
"""Bytes that a trial may take; the largest model here takes a tenth of it."""

TIME_LIMIT_S = 60.0
"""Until it must be over; the largest model here takes one."""

REFUSED = 3
"""The exit status that goes with a reason; all others but 0 are crashes."""


async def verify_in_subprocess(path: Path) -> str:
    """Open and verify a file on the CPU in another process.

    Returns its sha256, so that the file which is then opened can be held to be the same. Raises ZooError.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "models.sandbox", path.absolute()),
        cwd=Path(models.__file__).parent.parent,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        said, complaint = await asyncio.wait_for(process.communicate(), TIME_LIMIT_S)
    except TimeoutError:
        raise ZooError(f"{path.name} was not opened and verified within {TIME_LIMIT_S:.0f} s.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == REFUSED:
        raise ZooError(printable(said))
    if process.returncode != 0:
        raise ZooError(
            f"{path.name} ends the process that tries it (status {process.returncode}): it crashes"
            f" onnxruntime or needs more than {MEMORY_LIMIT_BYTES:,} bytes. {printable(complaint[-200:])}"
        )
    return said.decode().strip()


def main(path: Path) -> int:
    _limit()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        print(open_model(path, options=options).sha256)
    except ZooError as error:
        print(error)
        return REFUSED
    return 0


def _limit() -> None:
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(10)
    # Where memory is short, the system ends this process and not the one that serves.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
