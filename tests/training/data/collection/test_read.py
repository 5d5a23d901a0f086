"""Layouts of folders and tables."""

from pathlib import Path

import pytest

from tests.training.data.collection.conftest import Write
from training.data.collection.read import read_collection
from training.data.splits import DataError


def test_a_folder_per_class(write: Write):
    root = write(["cats/a.png", "cats/deep/b.png", "dogs/c.png"])
    (root / "cats" / "notes.txt").write_text("not a picture")
    (root / "dogs" / ".DS_Store").write_bytes(b"")
    (root / "__MACOSX").mkdir()

    collection = read_collection(root)

    assert collection.task == "classification"
    assert collection.labels == ("cats", "dogs")
    assert [(collection.name_of(e), e.label, e.part) for e in collection.entries] == [
        ("cats/a.png", "cats", None),
        ("cats/deep/b.png", "cats", None),
        ("dogs/c.png", "dogs", None),
    ]
    assert [finding.files for finding in collection.findings] == [("cats/notes.txt",)]


@pytest.mark.parametrize(("train", "test"), [("train", "test"), ("Training", "testing"), ("train", "val")])
def test_parts_above_the_classes_are_respected(write: Write, train: str, test: str):
    root = write([f"{train}/cats/a.png", f"{train}/dogs/b.png", f"{test}/cats/c.png"])

    parts = {e.file.stem: e.part for e in read_collection(root).entries}

    assert parts == {"a": "train", "b": "train", "c": "validation" if test == "val" else "test"}


def test_a_class_may_be_called_test(write: Write):
    root = write(["test/a.png", "exam/b.png"])

    assert read_collection(root).labels == ("exam", "test")


def test_classes_that_are_numbers_are_in_their_order(write: Write):
    assert read_collection(write([f"{n}/a.png" for n in (10, 9, 1)])).labels == ("1", "9", "10")


@pytest.mark.parametrize("columns", ["file,label", "file_name,category", "image,class"])
def test_a_table_of_classes(write: Write, columns: str):
    root = write(["a.png", "b.png"])
    (root / "metadata.csv").write_text(f"{columns},group,split\na.png,cat,one,train\nb.png,dog,,test\n")

    collection = read_collection(root)

    assert [(e.label, e.group, e.part) for e in collection.entries] == [
        ("cat", "one", "train"),
        ("dog", "", "test"),
    ]


def test_a_table_of_prices(write: Write):
    root = write(["a.png", "b.png"])
    (root / "prices.csv").write_text("file,price\na.png,12.5\nb.png,1e3\n")

    collection = read_collection(root)

    assert collection.task == "regression"
    assert [e.number for e in collection.entries] == [12.5, 1000.0]


@pytest.mark.parametrize(("column", "task"), [("age", "regression"), ("name", "classification")])
def test_a_named_column_decides_the_task(write: Write, column: str, task: str):
    root = write(["a.png", "b.png"])
    (root / "people.csv").write_text("file,age,name\na.png,30,ann\nb.png,41,bob\n")

    assert read_collection(root / "people.csv", target=column).task == task


def test_lines_without_a_file_or_a_label_are_findings(write: Write):
    root = write(["a.png", "b.png", "c.png"])
    (root / "labels.csv").write_text("file,label\na.png,cat\ngone.png,cat\nb.png,\nc.png,dog\n")

    collection = read_collection(root)

    assert len(collection.entries) == 2
    assert [finding.what.split(":")[1] for finding in collection.findings] == ["3", "4"]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("picture,label\na.png,cat\n", "needs a column 'file'"),
        ("file,price\na.png,3\n", "needs a column 'label'"),
        ("file,label\n", "is empty"),
        ("file,label\ngone.png,cat\n", "No line names a picture"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(write: Write, table: str, says: str):
    root = write(["a.png"])
    (root / "labels.csv").write_text(table)

    with pytest.raises(DataError, match=says):
        read_collection(root)


def test_a_folder_without_pictures_names_the_layouts(tmp_path: Path):
    with pytest.raises(DataError, match="Make a folder for each class"):
        read_collection(tmp_path)
    with pytest.raises(DataError, match="There is no folder"):
        read_collection(tmp_path / "nowhere")
