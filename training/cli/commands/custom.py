"""The commands for a user's own pictures: `check`, `new`, `rm`."""

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from models.model import ZOO
from training.cli.console import console
from training.cli.options import RUNS, DataFolder, RunsFolder, ZooFolder
from training.data import sources
from training.data.splits import DataError

if TYPE_CHECKING:
    from models.image.views import AnyView
    from training.data.collection.checks import Checked
    from training.data.collection.entries import Finding

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
SIDE = 224
"""Pixels of a side of every view: near to what the trunk was trained on."""

OTHER_PICTURES = 2000
"""That familiarity is learned from."""

MAX_SHOWN_FILES = 5


class ViewKind(StrEnum):
    """How pictures become pixels."""

    SQUASH = "squash"
    PHOTO = "photo"
    GREY = "grey"
    DIGIT = "digit"


Folder = Annotated[Path, typer.Argument(help="A folder per class, or a folder with a table, or the table.")]
Target = Annotated[str | None, typer.Option(help="The column to predict, where it is not label or price.")]
View = Annotated[
    ViewKind, typer.Option(help="squash: all of the picture; photo: its middle; grey: one thing.")
]
Trunk = Annotated[str, typer.Option(help="What describes the pictures, or any network of timm.")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse a folder with anything wrong in it.")]


def check_pictures(
    folder: Folder, target: Target = None, view: View = ViewKind.SQUASH, data: DataFolder = sources.DATA
) -> None:
    """Find what is wrong with a folder of pictures; exit code 1 where anything is."""
    checked = _check(folder, target, view_of(view), data)
    _print(checked)
    if checked.findings:
        raise typer.Exit(1)


def new_model(
    name: Annotated[str, typer.Argument(help="Of the model: small letters, digits, hyphens.")],
    folder: Folder,
    target: Target = None,
    unit: Annotated[str, typer.Option(help="Of numbers.")] = "USD",
    basis: Annotated[str, typer.Option(help="What a number means.")] = "as given",
    view: View = ViewKind.SQUASH,
    trunk: Trunk = "efficientnet-lite2",
    strict: Strict = False,
    data: DataFolder = sources.DATA,
    zoo: ZooFolder = ZOO,
    runs: RunsFolder = RUNS,
) -> None:
    """Make a model of your own pictures; a running service takes it up.

    What was opened and described before a crash is kept: the same command goes on from there.
    """
    if not NAME.fullmatch(name):
        raise DataError(f"{name!r} is no name of a model: small letters, digits and hyphens, at most 64.")
    _check_free(name, zoo, data)
    checked = _check(folder, target, view_of(view), data)
    _print(checked)
    if not checked.is_trainable or (strict and checked.findings):
        raise DataError(f"{folder} is refused for what is listed above; nothing was learned.")

    from models.model import open_model
    from training.cli.custom_report import write_report
    from training.custom.learn import Options, learn
    from training.custom.registry import Origin
    from training.custom.trunk import Trunk as Network

    options = Options(name, view_of(view), unit, basis, outliers=OTHER_PICTURES)
    learned = learn(checked, Network.load(trunk, data), options, zoo, data, cores())
    model = open_model(learned.path)
    Origin(str(folder.absolute()), target, view.value, trunk, unit, basis).save(name, data)
    write_report(model, learned, runs / name)
    call, port = ("classify" if model.card.task == "classification" else "price"), 3000
    console.print(
        f"Ask a running service: curl -F image=@picture.jpg -F model={name} localhost:{port}/{call}",
        soft_wrap=True,
    )


def remove_model(
    name: Annotated[str, typer.Argument(help="A model that `new` made.")],
    data: DataFolder = sources.DATA,
    zoo: ZooFolder = ZOO,
) -> None:
    """Remove a model of your own pictures; a running service lets go of it. The pictures stay."""
    from training.custom.registry import Origin, forget

    Origin.load(name, data)
    for path in (zoo / f"{name}.onnx", zoo / f"{name}.md"):
        path.unlink(missing_ok=True)
    forget(name, data)
    console.print(f"removed {name}")


def _check_free(name: str, zoo: Path, data: Path) -> None:
    """Raise where a model of this name is there that `new` has not made: it would be overwritten."""
    from training.custom.registry import Origin

    if (zoo / f"{name}.onnx").exists():
        try:
            Origin.load(name, data)
        except DataError:
            raise DataError(f"{zoo} has a model {name} already; choose another name.") from None


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


def _check(folder: Path, target: str | None, view: "AnyView", data: Path) -> "Checked":
    from training.data.collection.checks import check
    from training.data.collection.opening import open_entries
    from training.data.collection.read import read_collection

    collection = read_collection(folder, target)
    return check(collection, open_entries(collection.entries, view, data, cores()))


def _print(checked: "Checked") -> None:
    collection = checked.collection
    what = f"{len(collection.labels)} classes" if collection.task == "classification" else collection.target
    console.print(f"{len(collection.entries):,} pictures to learn from, {what}")
    if checked.findings:
        console.print(_findings(checked.findings))


def _findings(findings: "Sequence[Finding]") -> Table:
    table = Table("what is wrong", "pictures", title="Left out, moved or to be known")
    for finding in findings:
        shown = ", ".join(finding.files[:MAX_SHOWN_FILES])
        more = len(finding.files) - MAX_SHOWN_FILES
        table.add_row(finding.what, shown + (f" and {more} more" if more > 0 else ""))
    return table
