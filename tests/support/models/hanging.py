"""A real server whose models hang for as long as a test wants, on a machine of any speed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from loadtests.server import REPO, SERVING, started

# Waits in the thread that runs the model, as a slow kernel of onnxruntime would.
SCRIPT = """
import os, runpy, time
from pathlib import Path
import service.inference.pipeline
from models.model import Model

folder, run = Path(os.environ["HANG_FOLDER"]), Model.__call__

def hanging(self, pixels):
    try:
        (folder / "once").rename(folder / "hangs")
        mine = folder / "hangs"
    except FileNotFoundError:
        mine = folder / "all"
    while mine.exists():
        time.sleep(0.02)
    return run(self, pixels)

# None is fast: a model that can hang runs in a thread.
service.inference.pipeline.MAX_FAST_S = 0
Model.__call__ = hanging
runpy.run_module("service", run_name="__main__", alter_sys=True)
"""


class Hang:
    """The switch of a server's models."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def next_run(self) -> None:
        """Let one run of a model hang, the next, until `end`."""
        (self._folder / "once").touch()

    def every_run(self) -> None:
        """Let all runs hang from now on, until `end`."""
        (self._folder / "all").touch()

    @property
    def has_begun(self) -> bool:
        """Whether the run that `next_run` asked for hangs."""
        return (self._folder / "hangs").exists()

    def end(self) -> None:
        """Let what hangs go on."""
        for name in ("once", "hangs", "all"):
            (self._folder / name).unlink(missing_ok=True)


@contextmanager
def serving_that_hangs(models_dir: Path, folder: Path, **settings: str) -> Iterator[tuple[str, Hang]]:
    """Serve models_dir; yield the base URL and the switch.

    Args:
        models_dir: The model files.
        folder: An empty one, for the switch and the log.
        settings: GLIMPSE_ variables.
    """
    environment = {
        **os.environ,
        "HANG_FOLDER": str(folder),
        "GLIMPSE_MODELS_DIR": str(models_dir),
        "GLIMPSE_DRAIN_SECONDS": "0",
        **{f"GLIMPSE_{name.upper()}": value for name, value in settings.items()},
    }
    with started([SERVING / "python", "-c", SCRIPT], REPO, environment, folder / "log") as url:
        yield url, Hang(folder)
