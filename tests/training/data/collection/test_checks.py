"""What is found wrong with a collection, and what becomes of it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.training.data.collection.conftest import VIEW, Write, picture
from training.data.collection.checks import Checked
from training.data.collection.entries import Entry
from training.data.collection.opening import open_entries

Check = Callable[[Path], Checked]

NAMES = [f"{label}/{n}.png" for label in ("cats", "dogs") for n in range(6)]


def found(checked: Checked) -> dict[str, tuple[str, ...]]:
    return {finding.what: finding.files for finding in checked.findings}


def test_nothing_is_wrong_with_different_pictures(write: Write, checked: Check):
    result = checked(write(NAMES))

    assert result.findings == ()
    assert result.is_trainable
    assert len(set(result.clusters)) == len(NAMES)


def test_a_file_that_does_not_open_is_left_out(write: Write, checked: Check):
    root = write(NAMES)
    (root / "cats" / "0.png").write_bytes(b"no picture at all")

    result = checked(root)

    assert list(found(result).values()) == [("cats/0.png",)]
    assert len(result.collection.entries) == len(result.opened.pixels) == len(NAMES) - 1


def test_the_same_picture_in_two_classes_is_in_neither(write: Write, checked: Check):
    root = write(NAMES)
    # Another file of the same pixels: its bytes differ.
    Image.open(root / "cats" / "3.png").save(root / "dogs" / "again.bmp")

    result = checked(root)

    assert found(result) == {
        "the same picture with different classes; left out": ("cats/3.png", "dogs/again.bmp")
    }


def test_a_class_with_few_pictures_is_left_out(write: Write, checked: Check):
    result = checked(write([*NAMES, "birds/0.png", "birds/1.png"]))

    assert result.collection.labels == ("cats", "dogs")
    assert list(found(result).values()) == [("birds/0.png", "birds/1.png")]


def test_one_class_is_too_few(write: Write, checked: Check):
    result = checked(write(NAMES[:6]))

    assert not result.is_trainable


def test_a_class_of_nearly_all_pictures_is_named(write: Write, checked: Check):
    result = checked(write([*(f"cats/{n}.png" for n in range(120)), *NAMES[6:11]]))

    assert result.is_trainable
    assert [what for what in found(result) if what.startswith("class 'cats' has 96.0%")]


def test_near_duplicates_in_two_parts_go_to_the_train_side(write: Write, checked: Check):
    root = write([f"{part}/{name}" for part in ("train", "test") for name in NAMES])
    # The same photo at another size and quality.
    Image.open(root / "train" / "cats" / "2.png").resize((200, 200)).save(
        root / "test" / "cats" / "again.jpg"
    )

    result = checked(root)

    assert found(result) == {"near-duplicates in several parts; moved to one, the train side first": (
        "test/cats/again.jpg",
    )}  # fmt: skip
    parts = {result.collection.name_of(e): e.part for e in result.collection.entries}
    assert parts["test/cats/again.jpg"] == "train"
    assert parts["test/cats/2.png"] == "test"


def test_a_group_in_two_parts_goes_to_one(write: Write, checked: Check):
    root = write(NAMES)
    lines = [f"{name},{name[:4]},{'one' if name.endswith('5.png') else ''}," for name in NAMES]
    lines = [line + ("test" if "dogs/5" in line or "/0" in line else "train") for line in lines]
    (root / "labels.csv").write_text("\n".join(["file,label,group,split", *lines]))

    result = checked(root)

    assert found(result) == {"one group in several parts; moved to one, the train side first": (
        "dogs/5.png",
    )}  # fmt: skip


@pytest.mark.parametrize("number", ["0", "-3", "nan", "inf", "many", "1_000"])
def test_numbers_are_positive(write: Write, checked: Check, number: str):
    root = write([f"{n}.png" for n in range(21)])
    lines = [f"{n}.png,{n + 1}" for n in range(20)]
    (root / "prices.csv").write_text("\n".join(["file,price", *lines, f"20.png,{number}"]))

    result = checked(root)

    assert found(result) == {"price is no positive number; left out": ("20.png",)}
    assert result.is_trainable


def test_pictures_are_opened_once(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    root = write(NAMES)
    entries = [Entry(root / name, "x") for name in NAMES]
    first = open_entries(entries, VIEW, tmp_path, 2)
    monkeypatch.setattr("training.data.collection.opening.open_picture", None)

    again = open_entries(entries, VIEW, tmp_path, 2)

    np.testing.assert_array_equal(first.pixels[:], again.pixels[:])
    picture(99).save(entries[0].file)
    with pytest.raises(TypeError):  # another content is opened again
        open_entries(entries, VIEW, tmp_path, 2)


def test_a_damaged_cache_is_made_anew(write: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    root = write(NAMES)
    entries = [Entry(root / name, "x") for name in NAMES]
    first = open_entries(entries, VIEW, tmp_path, 2)
    (kept,) = (tmp_path / "cache").glob("*.npz")
    kept.write_bytes(kept.read_bytes()[:-100])

    again = open_entries(entries, VIEW, tmp_path, 2)

    np.testing.assert_array_equal(first.pixels[:], again.pixels[:])
    assert "is damaged" in caplog.text


def test_copies_of_a_folder_give_the_same_digests(write: Write, tmp_path: Path):
    root = write(NAMES)
    shutil.copytree(root, tmp_path / "copy")
    first = open_entries([Entry(root / name, "x") for name in NAMES], VIEW, tmp_path, 2)
    second = open_entries([Entry(tmp_path / "copy" / name, "x") for name in NAMES], VIEW, tmp_path, 1)

    assert first.digests == second.digests
