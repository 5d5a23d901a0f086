"""Old and new on the same pictures, with answers that are written by hand and files that really answer."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from models.card import Outputs
from models.image.decode import open_picture
from models.model import Model, open_model
from tests.training.data.collection.conftest import VIEW, picture
from training.custom.growing.comparison import Comparison, compare
from training.custom.learn import Learned
from training.custom.registry import Unseen
from training.data.collection.checks import Checked, check
from training.data.collection.opening import open_entries
from training.data.collection.read import read_collection
from training.data.splits import DataError, Examples

EARLIER = 6
"""Of each class; three more of each are added."""

ADDED = 3


@pytest.fixture
def digits(trained_zoo: Path) -> Model:
    return open_model(trained_zoo / "digits-cnn.onnx")


@pytest.fixture
def prices(trained_zoo: Path) -> Model:
    return open_model(trained_zoo / "drawn-cars.onnx")


def folder(root: Path, labels: Sequence[str] = ("3", "7"), test: bool = False) -> Path:
    """Pictures of clouds; e-* are the earlier ones, e-0 to e-2 for tests where wanted, f-* the added ones."""
    for which, label in enumerate(labels):
        for number in range(EARLIER + ADDED):
            earlier = number < EARLIER
            part = ("test" if earlier and number < 3 else "train") if test else ""
            path = root / "mine" / part / label / f"{'e' if earlier else 'f'}-{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(100 * which + number).save(path)
    return root / "mine"


def checked(root: Path, named: Path) -> Checked:
    collection = read_collection(named)
    return check(collection, open_entries(collection.entries, VIEW, root / "data", 2))


def earlier(of: Checked) -> npt.NDArray[np.bool_]:
    return np.array([entry.file.name.startswith("e-") for entry in of.collection.entries])


def truths(of: Checked) -> list[str]:
    return [entry.label for entry in of.collection.entries]


def classes(labels: Sequence[str], answers: Sequence[str]) -> Outputs:
    """Outputs that answer these labels."""
    rows = np.full((len(answers), len(labels)), 0.01, np.float32)
    for row, answer in zip(rows, answers, strict=True):
        row[labels.index(answer)] = 0.9
    return {"probabilities": rows, "familiarity": np.ones(len(rows), np.float32)}


def values(answers: npt.ArrayLike) -> Outputs:
    value = np.asarray(answers, np.float32)
    return {"value": value, "low": value / 2, "high": value * 2, "familiarity": np.ones_like(value)}


def unseen(of: Checked, outputs: Outputs) -> Unseen:
    """What was kept of the earlier pictures, in another order."""
    index = np.flatnonzero(earlier(of))[::-1]
    digests = tuple(of.opened.digests[i] for i in index)
    return Unseen("one", digests, {name: rows[::-1] for name, rows in outputs.items()})


def learned(of: Checked, outputs: Outputs) -> Learned:
    entries = of.collection.entries
    tested = np.array([entry.part == "test" for entry in entries])
    held_out = np.flatnonzero(tested if tested.any() else np.ones(len(entries), bool))
    targets = np.array([entry.number for entry in entries])
    if of.collection.task == "classification":
        targets = np.array([of.collection.labels.index(entry.label) for entry in entries])
    examples = Examples(np.zeros((len(targets), 0), np.uint8), targets, of.clusters.astype(str))
    return Learned(Path("none"), outputs, examples, held_out, {}, of.opened.pixels)


def own(model: Model, of: Checked) -> Outputs:
    """What a file answers to the added pictures, one by one, as a service would."""
    view = model.card.view
    added = [e.file for e, known in zip(of.collection.entries, earlier(of), strict=True) if not known]
    rows = [model(view(open_picture(file.read_bytes(), view.shorter_side))[None]) for file in added]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


def swapped(labels: Sequence[str], count: int) -> list[str]:
    """The first `count` of them wrong."""
    return [{"3": "7", "7": "3"}[label] if i < count else label for i, label in enumerate(labels)]


def compared(digits: Model, of: Checked, old_wrong: int, new_wrong: int) -> Comparison:
    """With so many wrong among the earlier pictures, and all added ones right by the new file."""
    known = earlier(of)
    before = [label for label, was in zip(truths(of), known, strict=True) if was]
    new = np.array(truths(of), dtype=object)
    new[known] = swapped(before, new_wrong)
    kept = unseen(of, classes(digits.card.labels, swapped(before, old_wrong)))
    return compare(digits, kept, of, learned(of, classes(of.collection.labels, new.tolist())))


def test_each_is_judged_by_answers_to_what_it_had_not_seen(digits: Model, tmp_path: Path):
    of = checked(tmp_path, folder(tmp_path))

    comparison = compared(digits, of, old_wrong=4, new_wrong=1)

    answers = np.array(digits.card.labels)[own(digits, of)["probabilities"].argmax(axis=1)]
    right = int((answers == np.repeat(["3", "7"], ADDED)).sum())
    rows = {row.pictures: (row.count, row.old, row.new) for row in comparison.rows}
    assert comparison.metric == "accuracy"
    assert rows == {
        "all": (18, pytest.approx((8 + right) / 18), pytest.approx(17 / 18)),
        "from before": (12, pytest.approx(8 / 12), pytest.approx(11 / 12)),
        "added": (6, pytest.approx(right / 6), 1),
    }
    assert comparison.left_out == ()
    row = comparison.rows[1]
    assert row.difference == pytest.approx(3 / 12)
    assert 0 <= row.low < 3 / 12 < row.high < 0.6


@pytest.mark.parametrize(("old_wrong", "new_wrong", "worse"), [(2, 3, True), (2, 2, False), (3, 2, False)])
def test_one_more_mistake_is_worse(
    digits: Model, tmp_path: Path, old_wrong: int, new_wrong: int, worse: bool
):
    named = folder(tmp_path)
    for file in named.rglob("f-*"):
        file.unlink()

    comparison = compared(digits, checked(tmp_path, named), old_wrong, new_wrong)

    assert [row.pictures for row in comparison.rows] == ["all", "from before"]
    assert comparison.is_worse is worse


def test_with_a_test_folder_the_earlier_pictures_are_those_in_it(digits: Model, tmp_path: Path):
    of = checked(tmp_path, folder(tmp_path, test=True))

    comparison = compared(digits, of, old_wrong=0, new_wrong=12)

    assert [(row.pictures, row.count) for row in comparison.rows] == [
        ("all", 12),
        ("from before", 6),
        ("added", 6),
    ]


def test_added_copies_of_earlier_pictures_are_left_out(digits: Model, tmp_path: Path):
    named = folder(tmp_path)
    picture(0).save(named / "3" / "f-8.jpg", quality=90)

    comparison = compared(digits, checked(tmp_path, named), 0, 0)

    assert comparison.left_out == (("look like what the old one was made of, or are of its groups", 1),)
    assert comparison.rows[0].count == 18


def test_a_class_that_the_old_one_does_not_know_is_left_out(digits: Model, tmp_path: Path):
    of = checked(tmp_path, folder(tmp_path, ("3", "seven")))
    kept = unseen(of, classes(digits.card.labels, ["3"] * 12))

    comparison = compare(digits, kept, of, learned(of, classes(of.collection.labels, truths(of))))

    assert comparison.left_out == (("are of classes that the old one does not know", 9),)
    assert [row.count for row in comparison.rows] == [9, 6, 3]
    assert comparison.rows[1].old == 1


def test_nothing_to_compare_on(digits: Model, tmp_path: Path):
    of = checked(tmp_path, folder(tmp_path, ("three", "seven")))
    kept = unseen(of, classes(digits.card.labels, ["3"] * 12))

    with pytest.raises(DataError, match="no picture to compare"):
        compare(digits, kept, of, learned(of, classes(of.collection.labels, truths(of))))


def priced(tmp_path: Path, group: str = "") -> Checked:
    """Twenty earlier and ten added pictures with prices from 10,000 on, a group each or all in one."""
    root = tmp_path / "mine"
    root.mkdir()
    lines = ["file,price,group"]
    for number in range(30):
        name = f"{'e' if number < 20 else 'f'}-{number}.png"
        picture(number).save(root / name)
        lines.append(f"{name},{10_000 + 100 * number},{group}")
    (root / "prices.csv").write_text("\n".join(lines))
    return checked(tmp_path, root)


@pytest.mark.parametrize(("new_error", "worse"), [(0.1, False), (0.2, False), (0.3, True)])
def test_numbers_by_their_median_error(prices: Model, tmp_path: Path, new_error: float, worse: bool):
    of = priced(tmp_path)
    numbers = np.array([entry.number for entry in of.collection.entries])
    answers = own(prices, of)["value"]
    added = float(np.median(np.abs(answers / numbers[20:] - 1)))
    # The added ones as the old file has them: the earlier ones alone decide.
    new = np.concatenate([numbers[:20] * (1 - new_error), answers])

    comparison = compare(prices, unseen(of, values(numbers[:20] * (1 - 0.2))), of, learned(of, values(new)))

    assert comparison.metric == "median_ape"
    rows = {row.pictures: (row.count, row.old, row.new) for row in comparison.rows}
    assert rows["from before"] == (20, pytest.approx(0.2), pytest.approx(new_error))
    assert rows["added"] == (10, pytest.approx(added), pytest.approx(added))
    assert comparison.is_worse is worse


def test_the_interval_is_of_pairs_and_of_whole_groups(prices: Model, tmp_path: Path):
    of = priced(tmp_path)
    numbers = np.array([entry.number for entry in of.collection.entries])
    wild = numbers * np.linspace(0.2, 3, 30)
    kept = unseen(of, values(wild[:20]))
    same = np.concatenate([wild[:20], own(prices, of)["value"]])

    pairs = compare(prices, kept, of, learned(of, values(same)))
    other = compare(prices, kept, of, learned(of, values(wild[::-1].copy())))

    assert [(row.difference, row.low, row.high) for row in pairs.rows] == 3 * [(0, 0, 0)]
    assert other.rows[0].low < other.rows[0].difference < other.rows[0].high


def test_one_group_is_drawn_as_a_whole(prices: Model, tmp_path: Path):
    of = priced(tmp_path, group="all")
    numbers = np.array([entry.number for entry in of.collection.entries])
    wild = numbers * np.linspace(0.2, 3, 30)

    comparison = compare(prices, unseen(of, values(wild[:20])), of, learned(of, values(wild[::-1].copy())))

    (row, _) = comparison.rows
    assert (row.count, comparison.left_out[0][1]) == (20, 10)
    assert row.low == row.high == row.difference != 0
