"""Folds: each picture is held out once, together with all that looks like it or is of its group."""

import hashlib

import numpy as np
import numpy.typing as npt

from training.data.collection.checks import Checked

STRATA = 5
"""Levels of a number over which folds are balanced."""


def folds_of(checked: Checked, count: int) -> npt.NDArray[np.intp]:
    """The fold of each picture, (N,), 0 to count - 1; -1 for those that are never trained on.

    Classes, or levels of the number, are spread evenly over the folds. The same pictures give the same folds
    whatever the order of their files.
    """
    entries = checked.collection.entries
    folds = np.full(len(entries), -1, dtype=np.intp)
    strata = _strata(checked)
    trained = np.array([entry.part in (None, "train") for entry in entries])
    members: dict[int, list[int]] = {}
    for index in np.flatnonzero(trained):
        members.setdefault(int(checked.clusters[index]), []).append(int(index))
    filled = np.zeros((count, max(strata) + 1))
    # The largest clusters first, each into the fold that has least of its strata.
    for cluster in sorted(members.values(), key=lambda m: (-len(m), _digest(checked, m))):
        wanted = np.bincount([strata[index] for index in cluster], minlength=filled.shape[1])
        crowding = filled[:, wanted > 0].sum(axis=1) + 1e-3 * filled.sum(axis=1)
        fold = int(crowding.argmin())
        folds[cluster] = fold
        filled[fold] += wanted
    return folds


def _strata(checked: Checked) -> list[int]:
    """The class of each picture, or the level of its number."""
    collection = checked.collection
    if collection.task == "classification":
        labels = collection.labels
        return [labels.index(entry.label) for entry in collection.entries]
    numbers = np.array([entry.number for entry in collection.entries])
    edges = np.quantile(numbers, np.arange(1, STRATA) / STRATA)
    return [int(level) for level in np.searchsorted(edges, numbers, side="right")]


def _digest(checked: Checked, members: list[int]) -> str:
    return min(hashlib.sha256(checked.opened.digests[index].encode()).hexdigest() for index in members)
