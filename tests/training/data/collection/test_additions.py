"""Pictures that join a folder, in each layout."""

import csv
import hashlib
from pathlib import Path

import pytest

from tests.training.data.collection.conftest import Write, picture
from training.data.collection.additions import SOURCES, Added, Addition, add, is_label
from training.data.collection.read import read_collection
from training.data.splits import DataError

SOURCE = {
    "request_id": "r",
    "index": "",
    "time": "2026-11-20T12:00:00+00:00",
    "version": "one",
    "answered": "cat",
}


def addition(folder: Path, seed: int, label: str) -> Addition:
    file = folder / f"kept-{seed}"
    picture(seed).save(file, "PNG")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Addition(file, digest, ".png", label, SOURCE)


def added(root: Path, *additions: Addition, target: str | None = None) -> Added:
    return add(read_collection(root, target), root, additions)


def sources(root: Path) -> list[dict[str, str]]:
    with (root / SOURCES).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("part", ["", "train/"])
def test_class_folders_get_files(write: Write, tmp_path: Path, part: str):
    root = write([f"{part}cats/a.png", f"{part}dogs/b.png", *(["test/cats/c.png"] if part else [])])
    new = addition(tmp_path, 50, "cats"), addition(tmp_path, 51, "birds, grey")

    done = added(root, *new)

    names = [f"{part}{a.label}/log-{a.digest[:16]}.png" for a in new]
    assert [file.relative_to(root).as_posix() for file in done.files] == names
    assert [file.read_bytes() for file in done.files] == [a.file.read_bytes() for a in new]
    assert (done.new_classes, done.unused) == ({"birds, grey": 1}, {})
    assert sources(root) == [
        {"file": name, "label": a.label, **SOURCE} for name, a in zip(names, new, strict=True)
    ]
    collection = read_collection(root)
    assert {collection.name_of(e): e.label for e in collection.entries if "log-" in e.file.name} == {
        names[0]: "cats", names[1]: "birds, grey",
    }  # fmt: skip
    assert {e.part for e in collection.entries if "log-" in e.file.name} == {"train" if part else None}


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("file,label,group\na.png,cat,g\nb.png,dog,\n", "log/NAME,cat,\n"),
        ("file,label,group\na.png,cat,g\nb.png,dog,", "log/NAME,cat,\n"),
        ("\ufefflabel;x,file\r\ncat,a.png\r\ndog,b.png\r\n", None),
        ("\ufefflabel,split,file_name\r\ncat,,a.png\r\ndog,test,b.png\r\n", "cat,train,log/NAME\r\n"),
    ],
)
def test_a_table_gets_lines(write: Write, tmp_path: Path, table: str, line: str | None):
    root = write(["a.png", "b.png"])
    path = root / "labels.csv"
    path.write_bytes(table.encode())
    path.chmod(0o640)
    if line is None:
        with pytest.raises(DataError, match="needs a column"):
            added(root, addition(tmp_path, 50, "cat"))
        return

    done = added(root, new := addition(tmp_path, 50, "cat"))

    end = "\r\n" if "\r\n" in table else "\n"
    name = f"log-{new.digest[:16]}.png"
    expected = table.removesuffix(end) + end + line.replace("NAME", name)
    assert path.read_bytes().decode() == expected
    assert path.stat().st_mode & 0o777 == 0o640
    assert [e.label for e in read_collection(root).entries if e.file == done.files[0]] == ["cat"]
    assert sources(root)[0]["file"] == f"log/{name}"


def test_a_table_of_numbers_beside_its_pictures(write: Write, tmp_path: Path):
    root = write(["a.png", "b.png"])
    table = root / "ages.csv"
    table.write_text("file,age\na.png,3\nb.png,4\n")

    done = added(table, addition(tmp_path, 50, "5.5"), target="age")

    collection = read_collection(table, "age")
    assert collection.task == "regression"
    assert [e.number for e in collection.entries] == [3, 4, 5.5]
    assert done.new_classes == {}


def test_the_table_of_what_is_trained_on(write: Write, tmp_path: Path):
    root = write(["train/a.png", "test/b.png"])
    for part, name in (("train", "a"), ("test", "b")):
        (root / part / "prices.csv").write_text(f"file,price\n{name}.png,1\n")

    added(root, addition(tmp_path, 50, "7"))

    numbers = {(e.part, e.number) for e in read_collection(root).entries}
    assert numbers == {("train", 1), ("train", 7), ("test", 1)}


def test_without_a_table_for_training_nothing_is_written(write: Write, tmp_path: Path):
    root = write(["train/a.png", "test/b.png"])
    (root / "test" / "prices.csv").write_text("file,price\nb.png,1\n")

    with pytest.raises(DataError, match="has no table"):
        added(root, addition(tmp_path, 50, "7"))

    assert not (root / SOURCES).exists()


def test_what_is_there_is_not_added_again(write: Write, tmp_path: Path):
    root = write(["cats/a.png", "dogs/b.png"])
    first = added(root, addition(tmp_path, 50, "cats"))
    before = (root / SOURCES).read_bytes()

    again = added(root, addition(tmp_path, 50, "cats"), addition(tmp_path, 0, "dogs"))

    assert len(first.files) == 1
    assert again.files == ()
    assert again.unused == {
        "in the folder already": 1,
        "in the folder already, with another label, which stays": 1,
    }
    assert (root / SOURCES).read_bytes() == before


def test_numbers_are_compared_as_numbers(write: Write, tmp_path: Path):
    root = write(["a.png", "b.png"])
    (root / "prices.csv").write_text("file,price\na.png,5.0\nb.png,unknown\n")

    done = added(root, addition(tmp_path, 0, "5"), addition(tmp_path, 1, "6"))

    assert done.unused == {
        "in the folder already": 1,
        "in the folder already, with another label, which stays": 1,
    }


def test_what_a_crash_left_is_completed(write: Write, tmp_path: Path):
    root = write(["a.png", "b.png"])
    table = root / "labels.csv"
    table.write_text(whole := "file,label\na.png,cat\nb.png,dog\n")
    new = addition(tmp_path, 50, "cat"), addition(tmp_path, 51, "dog")
    added(root, *new)
    table.write_text(whole)  # all but the last step

    added(root, *new)

    assert len(read_collection(root).entries) == 4
    assert len(sources(root)) == 2


@pytest.mark.parametrize(
    "content",
    ["file,licence\na.png,mine\n", f"file,label,request_id,index,time,version,answered\n{'x,' * 8}\n"],
)
def test_a_list_of_another_kind_is_not_touched(write: Write, tmp_path: Path, content: str):
    root = write(["cats/a.png", "dogs/b.png"])
    (root / SOURCES).write_text(content)

    with pytest.raises(DataError, match="rename it"):
        added(root, addition(tmp_path, 50, "cats"))

    assert (root / SOURCES).read_text() == content
    assert len(read_collection(root).entries) == 2


@pytest.mark.parametrize("text", ["St. Bernard", "7", "birds, grey", "Pilz", "カメラ", "a" * 100])
def test_names_of_classes(text: str):
    assert is_label(text, ())


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", ".x", "x.", "a/b", "a\\b", "a:b", "a\nb", "a\0b", " a", "a ", "a" * 101, "カ" * 90,
     "train", "VAL", "=1", "+1", "-x", "@x", "\u202egpj", "\ud800", "__MACOSX"],
)  # fmt: skip
def test_no_names_of_classes(text: str):
    assert not is_label(text, ())
    assert is_label(text, (text,))
