"""A sandbox: a model file is verified in a process of its own.

onnxruntime may crash on hostile bytes, take all memory or never return. In the sandbox that costs a process
with limits (docs/decisions/0013).
"""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import onnxruntime as ort

import models
from models.model import ZooError, open_model
from models.onnx_file.printable import printable

MEMORY_LIMIT_BYTES = 4 * 2**30
"""Limit of the process's data segment. The largest model here takes a tenth of it."""

TIME_LIMIT_S = 60.0
"""Wall-clock limit of the process. The largest model here takes 1 s."""

REFUSED = 3
"""Exit status of a refusal, whose reason is on stdout; any other status but 0 is a crash."""


async def verify_in_subprocess(path: Path) -> str:
    """Open and verify a file on the CPU in another process.

    Returns:
        Its sha256 in hex, so that the caller can check that it later opens the same bytes.

    Raises:
        ZooError: The file is refused, crashes the process, or exceeds its limits.
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
        stdout, stderr = await asyncio.wait_for(process.communicate(), TIME_LIMIT_S)
    except TimeoutError:
        raise ZooError(f"{path.name} was not opened and verified within {TIME_LIMIT_S:.0f} s.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == REFUSED:
        raise ZooError(printable(stdout))
    if process.returncode != 0:
        raise ZooError(
            f"{path.name} ends the process that tries it (status {process.returncode}): it crashes"
            f" onnxruntime or needs more than {MEMORY_LIMIT_BYTES:,} bytes. {printable(stderr[-200:])}"
        )
    return stdout.decode().strip()


def main(path: Path) -> int:
    """Verify a file within the limits; print its sha256, or the reason of the refusal."""
    _limit_process()
    options = ort.SessionOptions()
    options.log_severity_level = 4
    try:
        print(open_model(path, options=options).sha256)
    except ZooError as error:
        print(error)
        return REFUSED
    return 0


def _limit_process() -> None:
    if sys.platform == "win32":
        return
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(10)
    # When memory is short, the kernel kills this process before the server.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
