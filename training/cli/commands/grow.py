"""The command that learns from a service's prediction log: `grow`."""

import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from models.model import ZOO
from training.cli.console import console
from training.cli.options import RUNS, DataFolder, RunsFolder, ZooFolder
from training.cli.own_pictures import ViewKind, check_folder, learn_from, unseen_by, view_of
from training.data import sources
from training.data.splits import DataError

if TYPE_CHECKING:
    from training.custom.registry import Origin
    from training.data.collection.additions import Added


def grow_model(
    name: Annotated[str, typer.Argument(help="A model that `new` made.")],
    from_log: Annotated[
        Path, typer.Option(help="The prediction log of a service that kept pictures and was told truths.")
    ],
    data: DataFolder = sources.DATA,
    zoo: ZooFolder = ZOO,
    runs: RunsFolder = RUNS,
) -> None:
    """Learn what clients told a service too, and install the new model if it is not worse.

    The pictures are copied into the model's folder, whose sources.csv says where each is from. Exit code 1
    where the old model stays.
    """
    from models.model import open_model
    from training.cli.custom_report import comparison_table, write_report
    from training.custom.growing.comparison import compare
    from training.custom.registry import Origin, Unseen

    origin = Origin.load(name, data)
    old = open_model(zoo / f"{name}.onnx")
    unseen = Unseen.load(name, old.card.version, data)
    added = _add(name, origin, from_log)
    folder = Path(origin.folder)
    checked = check_folder(folder, origin.target, view_of(ViewKind(origin.view)), data)
    if set(checked.opened.digests) <= set(unseen.digests):
        raise DataError(f"There is nothing in {folder} that {name} has not learned from; it stays as it is.")
    if not checked.is_trainable:
        raise DataError(f"{folder} is refused for what is listed above; {name} stays as it is.")
    # Inside the zoo, so that the file can be renamed to its place; the dot hides the folder from services.
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=zoo) as beside:
        learned = learn_from(checked, name, origin, Path(beside), data)
        comparison = compare(old, unseen, checked, learned)
        console.print(comparison_table(comparison))
        if comparison.is_worse:
            first = comparison.rows[0]
            console.print(
                f"kept the old one: the new one's {comparison.metric} is {first.new:.1%} instead of"
                f" {first.old:.1%}. The {len(added.files)} added pictures stay in {folder}; sources.csv lists"
                " them. Look for wrong labels among them, or collect more and grow again;"
                " `python -m training new` installs what the folder makes in any case.",
                soft_wrap=True,
            )
            raise typer.Exit(1)
        version = open_model(learned.path).card.version
        unseen_by(version, checked, learned).save(name, data)
        learned.path.replace(old.path)
    write_report(open_model(old.path), learned, runs / name)
    console.print(f"installed version {version}; a running service takes it up")


def _add(name: str, origin: "Origin", from_log: Path) -> "Added":
    """Add what the log has to the model's folder, and print what became of all of it."""
    from training.custom.growing.harvest import harvest
    from training.data.collection.additions import add
    from training.data.collection.read import read_collection
    from training.evaluation.online import read_log

    folder = Path(origin.folder)
    collection = read_collection(folder, origin.target)
    classes = collection.labels if collection.task == "classification" else ()
    harvested = harvest(read_log(from_log), from_log, name, classes)
    added = add(collection, folder, harvested.told)
    news = ", ".join(f"{label} ({count})" for label, count in sorted(added.new_classes.items()))
    console.print(
        f"{len(added.files):,} pictures added to {folder}" + (f"; new classes: {news}" if news else ""),
        soft_wrap=True,
    )
    unused = Counter(harvested.unused) + Counter(added.unused)
    if unused:
        console.print(_unused(unused))
    return added


def _unused(counts: Mapping[str, int]) -> Table:
    table = Table("not used", "n", title="Of the prediction log")
    for reason, count in counts.items():
        table.add_row(reason, f"{count:,}")
    return table
