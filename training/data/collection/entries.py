"""A collection of pictures with what is to be predicted of each, as its owner laid it out."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Part = Literal["train", "validation", "test"]

PART_FOLDERS: dict[str, Part] = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
"""Names of folders, and values of a column `split`, that put a picture into a part."""


@dataclass(frozen=True)
class Entry:
    """One picture.

    Attributes:
        file: Where it lies.
        label: Its class, or its number as it is written.
        group: What must not be on both sides of a split; empty where the picture stands for itself.
        part: Where its owner put it; None where the split is left to the training.
        number: Of a collection of numbers: its value.
    """

    file: Path
    label: str
    group: str = ""
    part: Part | None = None
    number: float = float("nan")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a collection.

    Attributes:
        what: What is wrong, and what follows.
        files: The pictures that it is about, as one would name them; empty where it is about all.
        fatal: Nothing can be trained on this.
    """

    what: str
    files: tuple[str, ...] = ()
    fatal: bool = False


@dataclass(frozen=True)
class Collection:
    """Pictures with their classes or numbers.

    Attributes:
        root: The folder that was named.
        task: Classes or numbers.
        entries: All pictures.
        target: The column or kind of folder that the labels come from.
        findings: What was wrong with the folder or the table; such entries are left out already.
    """

    root: Path
    task: Literal["classification", "regression"]
    entries: tuple[Entry, ...]
    target: str
    findings: tuple[Finding, ...] = field(default=())

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes in order: by number where all are numbers, else by name."""
        names = {entry.label for entry in self.entries}
        if all(name.isdecimal() for name in names):
            return tuple(sorted(names, key=lambda name: (int(name), name)))
        return tuple(sorted(names))

    def name_of(self, entry: Entry) -> str:
        """The picture's file as its owner would name it: relative to the root."""
        return entry.file.relative_to(self.root).as_posix()
