"""The workbench of a lab: its folder, its size, its progress bars, and how its pictures are kept small."""

import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.console import Console
from rich.progress import track

mpl.use("Agg")  # needs no window: labs run on servers and in tests

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from models.atomic import replacing, write_atomically
from training.course.page import Link, Page, Picture
from training.data.sources import DATA

BLUE, LIGHT_BLUE, RED, ORANGE, GREEN, GREY = "#1f4e79", "#9db8d2", "#c0504d", "#d98c2b", "#4f8a4f", "#7f7f7f"
"""The colours of all figures."""

DPI = 80
COLOURS = 128
"""Of a saved picture: palette PNGs of figures are a third of the size and look the same."""

PLAY = Path(__file__).parent / "play"
"""The playgrounds: HTML files, each with one place for the data of a run."""

DATA_PLACE = "/*DATA*/null"

T = TypeVar("T")


@dataclass(frozen=True)
class Workbench:
    """Where a lab works, and how much it does.

    Attributes:
        folder: Of its pictures and its page; made when it is needed.
        data: Where the data sets are.
        small: A run in seconds whose claims still hold, for tests.
        picture: A file of the user's that the lab is to look at, where it looks at one.
        console: Where it prints to.
    """

    folder: Path
    data: Path = DATA
    small: bool = False
    picture: Path | None = None
    console: Console = field(default_factory=Console)

    def size(self, full: int, small: int) -> int:
        """`full`, or `small` where the run is a small one."""
        return small if self.small else full

    def track(self, steps: Iterable[T], description: str, total: float | None = None) -> Iterable[T]:
        """The steps, with a progress bar while they are walked through."""
        return track(steps, description, total, console=self.console, transient=True)

    def save(self, figure: Figure, name: str, shows: str) -> Picture:
        """Write folder/<name>.png and close the figure.

        Args:
            figure: Drawn at 80 dots per inch: twelve inches are 960 pixels.
            name: Of the file, without the folder and the ending.
            shows: What is to be seen, for those who cannot see it.
        """
        buffer = io.BytesIO()
        figure.savefig(buffer, dpi=DPI, metadata={"Software": None})
        plt.close(figure)
        picture = Image.open(buffer).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        return self._write(name + ".png", shows, lambda path: picture.save(path, "PNG", optimize=True))

    def save_animation(
        self, frames: Sequence[npt.NDArray[np.uint8]], name: str, shows: str, frame_ms: int = 120
    ) -> Picture:
        """Write folder/<name>.gif, which repeats for ever.

        Args:
            frames: uint8 (H, W) or (H, W, 3), all of one size.
            name: Of the file, without the folder and the ending.
            shows: What is to be seen, for those who cannot see it.
            frame_ms: How long each frame stays, in milliseconds.
        """
        first, *rest = (
            Image.fromarray(frame).convert("RGB").quantize(COLOURS // 2, dither=Image.Dither.NONE)
            for frame in frames
        )
        return self._write(
            name + ".gif",
            shows,
            lambda path: first.save(
                path, "GIF", save_all=True, append_images=rest, duration=frame_ms, loop=0, optimize=True
            ),
        )

    def save_playground(self, template: str, name: str, says: str, data: Mapping[str, Any]) -> Link:
        """Write folder/<name>.html: a page of training/course/play with the data of this run in it.

        Args:
            template: A file of `play/` with the text `/*DATA*/null` once, where JavaScript takes the data.
            name: Of the file, without the folder and the ending.
            says: The text of the link.
            data: Plain values; finite numbers only.
        """
        page = (PLAY / template).read_text()
        assert page.count(DATA_PLACE) == 1, f"{template} has no single place for its data"
        # "</" would end the script that the data stands in.
        values = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("</", "<\\/")
        path = self.folder / f"{name}.html"
        write_atomically(path, page.replace(DATA_PLACE, values))
        return Link(path, says)

    def _write(self, file: str, shows: str, save: Callable[[Path], None]) -> Picture:
        path = self.folder / file
        with replacing(path) as partial:
            save(partial)
        return Picture(path, shows)


RunLab = Callable[[Workbench], Page]
"""What the module of a lab has as `run`."""
