"""Steps of the commands for a user's own pictures: reading and checking a folder, learning from it."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from training.cli.console import console

if TYPE_CHECKING:
    from models.image.views import AnyView
    from training.custom.learn import Learned
    from training.custom.registry import Origin, Unseen
    from training.data.collection.checks import Checked
    from training.data.collection.entries import Finding

SIDE = 224
"""Pixels of a side of every view: near to what the trunk was trained on."""

MAX_SHOWN_FILES = 5


class ViewKind(StrEnum):
    """How pictures become pixels."""

    SQUASH = "squash"
    PHOTO = "photo"
    GREY = "grey"
    DIGIT = "digit"


class FineTuning(StrEnum):
    """Whether the last blocks of the trunk learn too."""

    AUTO = "auto"
    NEVER = "never"
    ALWAYS = "always"


class Scale(StrEnum):
    """On which numbers are learned."""

    LOG = "log"
    LINEAR = "linear"


def view_of(kind: ViewKind) -> "AnyView":
    """The view of a kind, at the trunk's size."""
    from models.image.views import DigitView, GreyView, PhotoView, SquashView

    match kind:
        case ViewKind.SQUASH:
            return SquashView(width=SIDE, height=SIDE)
        case ViewKind.PHOTO:
            return PhotoView(resize=SIDE * 8 // 7, crop=SIDE)
        case ViewKind.GREY:
            return GreyView(size=SIDE)
        case ViewKind.DIGIT:
            return DigitView(size=SIDE // 2, ink=SIDE * 3 // 7)


def cores() -> int:
    """Threads to work with."""
    import torch

    return torch.get_num_threads()


def check_folder(
    folder: Path, target: str | None, view: "AnyView", data: Path, fresh: bool = False
) -> "Checked":
    """Read, open and check a folder or a table, and print what is wrong with it.

    Raises:
        DataError: There is nothing to train on there.
    """
    from training.data.collection.checks import check
    from training.data.collection.opening import open_entries
    from training.data.collection.read import read_collection

    collection = read_collection(folder, target)
    checked = check(collection, open_entries(collection.entries, view, data, cores(), fresh))
    collection = checked.collection
    what = f"{len(collection.labels)} classes" if collection.task == "classification" else collection.target
    console.print(f"{len(collection.entries):,} pictures to learn from, {what}")
    if checked.findings:
        console.print(_findings(checked.findings))
    return checked


def learn_from(
    checked: "Checked", name: str, origin: "Origin", zoo: Path, data: Path, fresh: bool = False
) -> "Learned":
    """Make a model of a checked folder, as its owner wants it."""
    from training.custom.learn import Options, learn
    from training.custom.trunk import Trunk

    view = view_of(ViewKind(origin.view))
    options = Options(
        name,
        view,
        origin.unit,
        origin.basis,
        origin.scale,
        origin.balanced,
        fresh,
        fine_tune=origin.fine_tune,
    )
    return learn(checked, Trunk.load(origin.trunk, data), options, zoo, data, cores())


def unseen_by(version: str, checked: "Checked", learned: "Learned") -> "Unseen":
    """What is kept of a new model, so that a later one can be compared with it."""
    from training.custom.registry import Unseen

    return Unseen(version, checked.opened.digests, learned.outputs)


def _findings(findings: "Sequence[Finding]") -> Table:
    table = Table("what is wrong", "pictures", title="Left out, moved or to be known")
    for finding in findings:
        shown = ", ".join(finding.files[:MAX_SHOWN_FILES])
        more = len(finding.files) - MAX_SHOWN_FILES
        table.add_row(finding.what, shown + (f" and {more} more" if more > 0 else ""))
    return table
