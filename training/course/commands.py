"""The commands `lab` and `course` of `python -m training`."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from models.atomic import write_atomically
from training.cli.console import console
from training.cli.options import DataFolder
from training.course import LABS, Lab
from training.course.page import Page
from training.data.sources import DATA
from training.data.splits import DataError

PAGES = Path("runs/lab")

INTRODUCTION = """\
# The course behind Glimpse

Glimpse grew out of five lectures on neural networks. Each page below takes one claim of theirs, runs it on
the networks and pictures of this repository, and says whether it held. `python -m training lab NAME` runs
one of them again, `make course` all of them.
"""

Small = Annotated[bool, typer.Option("--small", help="A run of seconds, on little data.")]
Folder = Annotated[Path, typer.Option("--to", help="Where pages and pictures go.")]


def run_lab(
    name: Annotated[str | None, typer.Argument(help="A lab; without it they are listed.")] = None,
    data: DataFolder = DATA,
    to: Folder = PAGES,
    picture: Annotated[Path | None, typer.Option(help="A picture of yours, where a lab takes one.")] = None,
    small: Small = False,
) -> None:
    """Run a lab of the course, or list them; its page is TO/NAME.md, its pictures are in TO/NAME."""
    if name is None:
        table = Table("lab", "", box=None)
        for lab in LABS.values():
            table.add_row(lab.name, lab.summary)
        console.print(table)
        return
    if name not in LABS:
        raise DataError(f"There is no lab {name!r}; there are {', '.join(LABS)}.")
    page = _run(LABS[name], data, to, small, picture)
    console.print(page.verdict)
    console.print(f"wrote {to / name}.md")


def run_course(data: DataFolder = DATA, to: Folder = Path("docs/course"), small: Small = False) -> None:
    """Run all labs and write their pages, with an index, into TO."""
    pages = {}
    for lab in LABS.values():
        start = time.monotonic()
        pages[lab] = _run(lab, data, to, small)
        console.print(f"{lab.name}: {time.monotonic() - start:.0f} s, {pages[lab].verdict}")
    write_atomically(to / "README.md", _index(pages.items()))
    console.print(f"wrote {to}/README.md and {len(pages)} pages")


def _run(lab: Lab, data: Path, to: Path, small: bool, picture: Path | None = None) -> Page:
    from training.course.workbench import Workbench  # here: matplotlib is not needed to list the labs

    page = lab.load()(Workbench(to / lab.name, data, small, picture, console))
    page.write(to / f"{lab.name}.md")
    return page


def _index(pages: Iterable[tuple[Lab, Page]]) -> str:
    lines = [INTRODUCTION]
    lines += [f"- [{lab.name}]({lab.name}.md): {lab.summary}" for lab, _ in pages]
    return "\n".join(lines) + "\n"
