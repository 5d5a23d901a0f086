"""Folds: balanced, whole clusters, the same for the same pictures."""

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from training.data.collection.checks import Checked
from training.data.collection.duplicates import clusters, near_duplicates
from training.data.collection.entries import Collection, Entry
from training.data.collection.folds import folds_of
from training.data.collection.opening import Opened
from training.data.collection.pixels import Pixels


def made(labels: list[str], cluster: list[int], parts: list[str | None]) -> Checked:
    """A checked collection without its pictures."""
    entries = tuple(
        Entry(Path(f"/mine/{n}.png"), label, part=part)  # type: ignore[arg-type]
        for n, (label, part) in enumerate(zip(labels, parts, strict=True))
    )
    count = len(labels)
    nothing = np.zeros((count, 1), np.uint8)
    opened = Opened(Pixels(nothing), nothing, tuple(f"{n:064x}" for n in range(count)), ("",) * count)
    collection = Collection(Path("/mine"), "classification", entries, "folder")
    first = np.array([cluster.index(c) for c in cluster], dtype=np.intp)
    return Checked(collection, opened, first, ())


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 30), st.sampled_from([None, "train", "test"])),
        min_size=10,
        max_size=60,
    ),
    st.integers(2, 6),
)
def test_clusters_are_never_cut(pictures: list[tuple[str, int, str | None]], count: int):
    part_of: dict[int, str | None] = {}
    rows = [(label, cluster, part_of.setdefault(cluster, part)) for label, cluster, part in pictures]
    labels, cluster, parts = (list(column) for column in zip(*rows, strict=True))
    folds = folds_of(made(labels, cluster, parts), count)

    for member in set(cluster):
        assert len({fold for fold, own in zip(folds, cluster, strict=True) if own == member}) == 1
    assert [fold == -1 for fold in folds] == [part == "test" for part in parts]


def test_classes_are_spread_evenly():
    labels = ["rare"] * 10 + ["common"] * 95
    folds = folds_of(made(labels, list(range(105)), [None] * 105), 5)

    for label, count in (("rare", 10), ("common", 95)):
        sizes = np.bincount(folds[[own == label for own in labels]], minlength=5)
        assert sizes.tolist() == [count // 5] * 5


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=40))
def test_clusters_are_the_connected_components(pairs: list[tuple[int, int]]):
    found = clusters(20, pairs)

    assert all(found[a] == found[b] for a, b in pairs)
    # No more is joined than the pairs join: each cluster beyond single pictures needs a pair per member.
    assert len(set(found.tolist())) >= 20 - len({tuple(sorted(pair)) for pair in pairs if pair[0] != pair[1]})


def test_blank_pictures_are_not_near_duplicates():
    blank = np.full((5, 32, 32), 255, np.uint8)

    assert near_duplicates(blank) == []


@given(st.integers(0, 2**32 - 1))
def test_all_pairs_of_near_duplicates_are_found(seed: int):
    rng = np.random.default_rng(seed)
    thumbnails = rng.integers(0, 256, (300, 32, 32), np.uint8)
    first, second = sorted(rng.choice(300, 2, replace=False).tolist())
    thumbnails[second] = np.clip(thumbnails[first].astype(int) + rng.integers(-2, 3, (32, 32)), 0, 255)

    assert near_duplicates(thumbnails) == [(first, second)]
