"""Additions: labelled pictures that join a collection, in its owner's layout and with their source noted.

The folder stays the one truth: what is added lies there as if its owner had put it there, and can be looked
at, moved and deleted like the rest.
"""

import csv
import hashlib
import io
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.atomic import replacing, write_atomically
from training.data.collection.entries import PART_FOLDERS, Collection, Entry
from training.data.collection.read import (
    FILE_COLUMNS,
    IGNORED,
    SPLIT_COLUMNS,
    column_of,
    part_folders,
    table_in,
)
from training.data.splits import DataError

SOURCES = "sources.csv"
"""In the folder: a line for each picture that was added."""

SOURCE_COLUMNS = ("file", "label", "request_id", "index", "time", "version", "answered")

TABLE_FOLDER = "log"
"""Beside a table: the pictures that were added."""

MAX_LABEL_LENGTH = 100
MAX_FILE_NAME_BYTES = 255

FORBIDDEN = frozenset('/\\:*?"<>|')
"""Characters that separate folders, or that no file of Windows may have in its name."""

SPREADSHEET_FORMULA = "=+-@"
"""Spreadsheets run a cell that begins so: https://owasp.org/www-community/attacks/CSV_Injection"""


@dataclass(frozen=True)
class Addition:
    """A picture to add.

    Attributes:
        file: Where it lies now.
        digest: sha256 of the file, in hex.
        suffix: By its format, such as ".png".
        label: Its class, or its number as it is to be written.
        source: The columns of SOURCE_COLUMNS after file and label, as far as they are known.
    """

    file: Path
    digest: str
    suffix: str
    label: str
    source: Mapping[str, str]


@dataclass(frozen=True)
class Added:
    """What became of additions.

    Attributes:
        files: The pictures that are now in the folder.
        new_classes: The number of pictures of each class that was not there before.
        unused: The number of those that were not added, by the reason.
    """

    files: tuple[Path, ...]
    new_classes: Mapping[str, int]
    unused: Mapping[str, int]


def add(collection: Collection, named: Path, additions: Sequence[Addition]) -> Added:
    """Copy pictures into the folder of a collection, and their lines into its table.

    Args:
        collection: As it was read from `named`.
        named: The folder, or the table beside the pictures.
        additions: Each with another digest.

    Raises:
        DataError: The folder has a sources.csv of another kind, or no table for what is trained on.
        OSError: Something cannot be written; the same call again completes it.
    """
    folder, table = _training_part(named)
    known = {hashlib.sha256(e.file.read_bytes()).hexdigest(): e for e in collection.entries}
    classes = set(collection.labels) if collection.task == "classification" else set()
    unused: Counter[str] = Counter()
    placed: list[tuple[Path, Addition]] = []
    for addition in additions:
        if addition.digest in known:
            same = _is_same(known[addition.digest], addition, collection)
            unused["in the folder already" + ("" if same else ", with another label, which stays")] += 1
        elif collection.task == "classification" and not is_label(addition.label, classes):
            unused["no name that a class can have"] += 1
        else:
            subfolder = TABLE_FOLDER if table else addition.label
            file = folder / subfolder / f"log-{addition.digest[:16]}{addition.suffix}"
            placed.append((file, addition))
    if placed:
        # First what is not read, last what makes the pictures part of the collection.
        _note_sources(collection.root, placed)
        for file, addition in placed:
            write_atomically(file, addition.file.read_bytes())
        if table:
            _append(table, collection.target, placed)
    news = Counter(a.label for _, a in placed if a.label not in classes)
    new_classes = news if collection.task == "classification" else {}
    return Added(tuple(file for file, _ in placed), new_classes, unused)


def is_label(text: str, classes: Iterable[str]) -> bool:
    """Whether a text from outside is one of these classes, or a safe name of a new one, folder and cell."""
    if text in classes:
        return True
    return (
        0 < len(text) <= MAX_LABEL_LENGTH
        and text.isprintable()
        and text == text.strip()
        and len(text.encode()) <= MAX_FILE_NAME_BYTES
        and not FORBIDDEN & set(text)
        and text[0] not in "." + SPREADSHEET_FORMULA
        and text[-1] != "."
        and text not in IGNORED
        and text.lower() not in PART_FOLDERS
    )


def _training_part(named: Path) -> tuple[Path, Path | None]:
    """The folder that is trained on, and its table where there is one."""
    if named.is_file():
        return named.parent, named
    parts = part_folders(named)
    folder = parts.get("train", named)
    table = table_in(folder)
    if table is None and any(table_in(other) for other in parts.values()):
        raise DataError(f"{folder} has no table, though another part of {named} has: nothing can be added.")
    return folder, table


def _is_same(known: Entry, addition: Addition, collection: Collection) -> bool:
    if collection.task == "regression":
        return known.number == float(addition.label)
    return known.label == addition.label


def _note_sources(root: Path, placed: Iterable[tuple[Path, Addition]]) -> None:
    path = root / SOURCES
    lines: dict[str, dict[str, str]] = {}
    if path.exists():
        with path.open(newline="", encoding="utf-8-sig") as text:
            reader = csv.DictReader(text)
            lines = {line.get("file", ""): line for line in reader}
        if tuple(reader.fieldnames or ()) != SOURCE_COLUMNS or any(None in line for line in lines.values()):
            raise DataError(f"{path} is no list of added pictures ({', '.join(SOURCE_COLUMNS)}); rename it.")
    for file, addition in placed:
        name = file.relative_to(root).as_posix()
        lines[name] = {"file": name, "label": addition.label, **addition.source}
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, SOURCE_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines.values())
    write_atomically(path, text.getvalue())


def _append(table: Path, target: str, placed: Iterable[tuple[Path, Addition]]) -> None:
    """Add a line for each picture; columns that nothing is known about stay empty."""
    data = table.read_bytes()
    header = next(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    file_column = column_of(table, dict.fromkeys(header, ""), FILE_COLUMNS)
    split = next((name for name in SPLIT_COLUMNS if name in header), None)
    end = "\r\n" if b"\r\n" in data else "\n"
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, header, restval="", lineterminator=end)
    for file, addition in placed:
        line = {file_column: file.relative_to(table.parent).as_posix(), target: addition.label}
        writer.writerow(line | ({split: "train"} if split else {}))
    gap = b"" if data.endswith(b"\n") else end.encode()
    path = table.resolve()  # a link stays a link
    with replacing(path) as partial:
        partial.write_bytes(data + gap + text.getvalue().encode())
        shutil.copymode(path, partial)
