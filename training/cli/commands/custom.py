"""The commands for a user's own pictures: `check`, `new`, `rm`."""

import re
from pathlib import Path
from typing import Annotated

import typer

from models.model import ZOO
from training.cli.console import console
from training.cli.options import RUNS, DataFolder, RunsFolder, ZooFolder
from training.cli.own_pictures import (
    FineTuning,
    Scale,
    ViewKind,
    check_folder,
    learn_from,
    unseen_by,
    view_of,
)
from training.data import sources
from training.data.splits import DataError

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
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
    checked = check_folder(folder, target, view_of(view), data)
    if checked.findings:
        raise typer.Exit(1)


def new_model(
    name: Annotated[str, typer.Argument(help="Of the model: small letters, digits, hyphens.")],
    folder: Folder,
    target: Target = None,
    unit: Annotated[str, typer.Option(help="Of numbers.")] = "USD",
    basis: Annotated[str, typer.Option(help="What a number means.")] = "as given",
    scale: Annotated[Scale, typer.Option(help="Of numbers: relative errors count, or absolute.")] = Scale.LOG,
    balanced: Annotated[
        bool, typer.Option("--balanced", help="Each class counts the same, however many pictures it has.")
    ] = False,
    view: View = ViewKind.SQUASH,
    trunk: Trunk = "efficientnet-lite2",
    fine_tune: Annotated[
        FineTuning,
        typer.Option(help="The last blocks learn too: where pictures left out say so, not at all, anyway."),
    ] = FineTuning.AUTO,
    strict: Strict = False,
    resume: Annotated[bool, typer.Option(help="Go on from what is described already, after a crash.")] = True,
    data: DataFolder = sources.DATA,
    zoo: ZooFolder = ZOO,
    runs: RunsFolder = RUNS,
) -> None:
    """Make a model of your own pictures; a running service takes it up.

    What was opened and described before a crash is kept: the same command goes on from there, unless told
    `--no-resume`.
    """
    if not NAME.fullmatch(name):
        raise DataError(f"{name!r} is no name of a model: small letters, digits and hyphens, at most 64.")
    _check_own(name, zoo)
    checked = check_folder(folder, target, view_of(view), data, not resume)
    if not checked.is_trainable or (strict and checked.findings):
        raise DataError(f"{folder} is refused for what is listed above; nothing was learned.")

    from models.model import open_model
    from training.cli.custom_report import write_report
    from training.custom.registry import Origin

    origin = Origin(
        str(folder.absolute()), target, view.value, trunk, unit, basis, scale.value, balanced, fine_tune.value
    )
    learned = learn_from(checked, name, origin, zoo, data, not resume)
    model = open_model(learned.path)
    origin.save(name, data)
    unseen_by(model.card.version, checked, learned).save(name, data)
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
    _check_own(name, zoo)
    for path in (zoo / f"{name}.onnx", zoo / f"{name}.md"):
        path.unlink(missing_ok=True)
    forget(name, data)
    console.print(f"removed {name}")


def _check_own(name: str, zoo: Path) -> None:
    """Raise where the zoo has a model of this name that `new` has not made: it would be lost."""
    from training.custom.registry import is_own

    path = zoo / f"{name}.onnx"
    if path.exists() and not is_own(path):
        raise DataError(f"{path} was not made of own pictures, and is left alone: choose another name.")
