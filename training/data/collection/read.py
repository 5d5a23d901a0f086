"""Reading a collection: a folder per class, or a table beside the pictures.

The layouts are those of torchvision's ImageFolder and of Hugging Face's imagefolder, with or without folders
for train, validation and test above them.
"""

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from training.data.collection.entries import PART_FOLDERS, Collection, Entry, Finding, Part
from training.data.splits import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".avif")
"""Of files that are taken for pictures."""

CLASS_TABLES = ("labels.csv", "metadata.csv")
NUMBER_TABLES = {"prices.csv": "price"}
"""Tables that are looked for in a folder, with the column of a table of numbers."""

FILE_COLUMNS = ("file", "file_name", "filename", "image", "path")
LABEL_COLUMNS = ("label", "class", "category")
SPLIT_COLUMNS = ("split", "part")

IGNORED = ("__MACOSX", "Thumbs.db", "desktop.ini")
"""What systems leave in folders; so are all names that begin with a dot."""


def read_collection(root: Path, target: str | None = None) -> Collection:
    """Read the layout of a folder, or a table with the pictures beside it. No picture is opened.

    Args:
        root: A folder, or a CSV file.
        target: The column of the table to predict: numbers if all its values are numbers.

    Raises:
        DataError: There is nothing to train on there; the message says which layouts are known.
    """
    if not root.exists():
        raise DataError(f"There is no folder {root}.")
    if root.is_file():
        return _from_tables(root.parent, {None: root}, target)
    parts = part_folders(root)
    tables = {part: table for part, folder in parts.items() if (table := table_in(folder))}
    if tables:
        return _from_tables(root, tables, target)
    if target is not None:
        raise DataError(f"{root} has no table with the column {target!r}: put a metadata.csv there.")
    return _from_folders(root, parts)


def part_folders(root: Path) -> dict[Part | None, Path]:
    """The folders of parts; the root itself where there are none."""
    parts: dict[Part | None, Path] = {}
    for folder in _children(root):
        part = PART_FOLDERS.get(folder.name.lower())
        if part and folder.is_dir():
            parts[part] = folder
    # A class may well be called "test", but not beside a folder "train".
    return parts if "train" in parts else {None: root}


def table_in(folder: Path) -> Path | None:
    """The table of a folder, by its name; None where there is none."""
    names = (*NUMBER_TABLES, *CLASS_TABLES)
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _from_folders(root: Path, parts: Mapping[Part | None, Path]) -> Collection:
    entries: list[Entry] = []
    others: list[str] = []
    for part, folder in parts.items():
        for class_folder in filter(Path.is_dir, _children(folder)):
            for file in _files(class_folder):
                if file.suffix.lower() in SUFFIXES:
                    entries.append(Entry(file, class_folder.name, part=part))
                else:
                    others.append(file.relative_to(root).as_posix())
    if not entries:
        raise DataError(
            f"{root} holds no folders with pictures. Make a folder for each class and put its pictures into"
            " it, or put a labels.csv (columns file, label) or a prices.csv (columns file, price) there."
        )
    findings = [Finding("no picture by its name; left out", tuple(others))] if others else []
    return Collection(root, "classification", tuple(entries), "folder", tuple(findings))


def _from_tables(root: Path, tables: Mapping[Part | None, Path], target: str | None) -> Collection:
    entries: list[Entry] = []
    findings: list[Finding] = []
    column = target
    for part, table in tables.items():
        lines = _lines(table)
        file_column = column_of(table, lines[0], FILE_COLUMNS)
        column = column or NUMBER_TABLES.get(table.name) or column_of(table, lines[0], LABEL_COLUMNS)
        if column not in lines[0]:
            raise DataError(f"{table} has no column {column!r}; it has {', '.join(lines[0])}.")
        for number, line in enumerate(lines, start=2):
            file = table.parent / (line[file_column] or "")
            label = (line[column] or "").strip()
            where = f"{table.relative_to(root)}:{number}"
            if not file.is_file():
                findings.append(Finding(f"{where}: the file {line[file_column]!r} is missing"))
            elif not label:
                findings.append(Finding(f"{where}: there is no {column}", (line[file_column],)))
            else:
                split = next((line[name] for name in SPLIT_COLUMNS if line.get(name)), "")
                own = part or PART_FOLDERS.get(split.lower())
                entries.append(Entry(file, label, line.get("group") or "", own))
    if not entries:
        raise DataError(f"No line names a picture that is there: {findings[0].what}.")
    assert column is not None
    if column in NUMBER_TABLES.values() or (target is not None and _are_numbers(entries)):
        entries = [Entry(e.file, e.label, e.group, e.part, _number(e.label)) for e in entries]
        return Collection(root, "regression", tuple(entries), column, tuple(findings))
    return Collection(root, "classification", tuple(entries), column, tuple(findings))


def _lines(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            lines = [{k: v or "" for k, v in line.items() if k} for line in csv.DictReader(file)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} is no CSV file in UTF-8: {error}.") from None
    if not lines:
        raise DataError(f"{table} is empty: it needs a line of column names and one for each picture.")
    return lines


def column_of(table: Path, line: Mapping[str, str], names: tuple[str, ...]) -> str:
    """The first of these names that a table has as a column.

    Raises:
        DataError: It has none of them.
    """
    column = next((name for name in names if name in line), None)
    if column is None:
        raise DataError(f"{table} needs a column {names[0]!r} (or {', '.join(names[1:])}).")
    return column


def _are_numbers(entries: list[Entry]) -> bool:
    return all(math.isfinite(_number(entry.label)) for entry in entries)


def _number(text: str) -> float:
    """The number that a text is; NaN where it is none."""
    try:
        return float(text.replace("_", "x"))  # Python's own 1_000 is nobody's price
    except ValueError:
        return math.nan


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder, in order of their names."""
    for child in _children(folder):
        if child.is_dir():
            yield from _files(child)
        else:
            yield child


def _children(folder: Path) -> list[Path]:
    """What is in a folder and is not a system's own, in order of the names."""
    return sorted(child for child in folder.iterdir() if child.name[0] != "." and child.name not in IGNORED)
