"""What is wrong with a collection, found before anything is learned from it."""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from training.data.collection.duplicates import clusters, near_duplicates, same_pictures
from training.data.collection.entries import Collection, Entry, Finding, Part
from training.data.collection.opening import Opened

MIN_PER_CLASS = 5
MAX_CLASS_FRACTION = 0.95
MIN_NUMBERS = 20
"""Pictures with a number that a regression and its interval can be fitted to."""

KINDS_OF_PART: dict[Part | None, int] = {"train": 0, None: 0, "validation": 1, "test": 2}
"""Where a picture goes that its owner put into several parts: the first of these."""


@dataclass(frozen=True)
class Checked:
    """A collection without the pictures that cannot be learned from.

    Attributes:
        collection: Its entries are those that are left.
        opened: Their pictures, in the same order.
        clusters: int (N,): pictures of one cluster belong on one side of every split, by group or by looks.
        findings: All that was wrong, in the order in which it was found.
    """

    collection: Collection
    opened: Opened
    clusters: npt.NDArray[np.intp]
    findings: tuple[Finding, ...]

    @property
    def is_trainable(self) -> bool:
        """False where too little is left."""
        return not any(finding.fatal for finding in self.findings)


def check(collection: Collection, opened: Opened) -> Checked:
    """Find what is wrong, and leave out what cannot be learned from.

    Args:
        collection: As it was read.
        opened: The picture of each of its entries.
    """
    findings = list(collection.findings)
    kept = np.arange(len(collection.entries))

    def leave_out(indices: set[int], what: str) -> None:
        nonlocal kept
        if indices:
            files = tuple(collection.name_of(collection.entries[index]) for index in sorted(indices))
            findings.append(Finding(what, files))
            kept = np.array([index for index in kept if index not in indices], dtype=np.intp)

    for index, error in enumerate(opened.errors):
        if error:
            leave_out({index}, f"{error} Left out")
    if collection.task == "regression":
        bad = {i for i in kept if not (np.isfinite(n := collection.entries[i].number) and n > 0)}
        leave_out(bad, f"{collection.target} is no positive number; left out")
    leave_out(_contradictions(collection, opened, set(kept.tolist())), _contradicts(collection))
    if collection.task == "classification":
        counts = Counter(collection.entries[index].label for index in kept)
        for label, count in sorted(counts.items()):
            if count < MIN_PER_CLASS:
                rare = {int(index) for index in kept if collection.entries[index].label == label}
                leave_out(rare, f"class {label!r} has {count} pictures, fewer than {MIN_PER_CLASS}; left out")
    findings += _unbalanced(collection, [collection.entries[index] for index in kept])
    entries = [collection.entries[index] for index in kept]
    left = opened[kept]
    entries, cluster, straddling = _on_one_side(collection, entries, left)
    findings += straddling
    return Checked(replace(collection, entries=tuple(entries)), left, cluster, tuple(findings))


def _contradicts(collection: Collection) -> str:
    what = "classes" if collection.task == "classification" else "numbers"
    return f"the same picture with different {what}; left out"


def _contradictions(collection: Collection, opened: Opened, kept: set[int]) -> set[int]:
    """Pictures that are there several times with different labels."""
    wrong: set[int] = set()
    for group in same_pictures(opened):
        alive = [index for index in group if index in kept]
        if len({collection.entries[index].label for index in alive}) > 1:
            wrong.update(alive)
    return wrong


def _unbalanced(collection: Collection, entries: list[Entry]) -> list[Finding]:
    """What makes training impossible or its metrics meaningless."""
    if collection.task == "regression":
        if len(entries) < MIN_NUMBERS:
            few = f"{len(entries)} pictures with a number are left; at least {MIN_NUMBERS} are needed"
            return [Finding(few, fatal=True)]
        return []
    counts = Counter(entry.label for entry in entries)
    if len(counts) < 2:
        return [Finding(f"{len(counts)} classes are left; a classifier needs two", fatal=True)]
    label, count = counts.most_common(1)[0]
    if count > MAX_CLASS_FRACTION * len(entries):
        share = f"class {label!r} has {count / len(entries):.1%} of all pictures"
        return [Finding(f"{share}: always answering it is right as often; collect more of the others")]
    return []


def _on_one_side(
    collection: Collection, entries: list[Entry], opened: Opened
) -> tuple[list[Entry], npt.NDArray[np.intp], list[Finding]]:
    """The entries with each group and each set of near-duplicates in one part, clusters, and findings."""
    alike = near_duplicates(opened.thumbnails)
    first_of: dict[str, int] = {}
    grouped = [
        (first_of.setdefault(entry.group, index), index) for index, entry in enumerate(entries) if entry.group
    ]
    findings = []
    for pairs, what in ((grouped, "one group"), (alike, "near-duplicates")):
        cluster = clusters(len(entries), pairs)
        moved = []
        for index in np.flatnonzero(np.bincount(cluster, minlength=len(entries)) > 1):
            members = np.flatnonzero(cluster == index)
            parts = {entries[member].part for member in members}
            if len(parts) > 1:
                side = min(parts, key=KINDS_OF_PART.__getitem__)
                moved += [member for member in members if entries[member].part != side]
                for member in members:
                    entries[member] = replace(entries[member], part=side)
        if moved:
            files = tuple(collection.name_of(entries[member]) for member in sorted(moved))
            findings.append(Finding(f"{what} in several parts; moved to one, the train side first", files))
    return entries, clusters(len(entries), [*grouped, *alike]), findings
