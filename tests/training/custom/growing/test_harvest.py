"""From a prediction log to labelled pictures, and into a folder."""

import hashlib
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.custom.growing.written_log import WrittenLog
from tests.training.data.collection.conftest import picture
from training.custom.growing.harvest import NO_PICTURE, Harvest, harvest
from training.data.collection.additions import add
from training.data.collection.read import read_collection
from training.evaluation.online import read_log

UNTOLD = "predictions of things that nobody told the truth about"


@pytest.fixture
def log(tmp_path: Path) -> WrittenLog:
    return WrittenLog(tmp_path / "log")


def encoded(seed: int, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    picture(seed).save(file, kind)
    return file.getvalue()


def harvested(log: WrittenLog, *classes: str) -> Harvest:
    return harvest(read_log(log.folder), log.folder, "things", classes)


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [("PNG", ".png"), ("JPEG", ".jpg"), ("WEBP", ".webp"), ("AVIF", ".avif"), ("TIFF", ".tif")],
)
def test_a_told_picture_is_found_with_its_source(log: WrittenLog, kind: str, suffix: str):
    log.answered("a", encoded(1, kind), index=3)
    log.told("a", " hills ", index=3)

    (found,) = harvested(log).told

    assert found.file.read_bytes() == encoded(1, kind)
    assert found.digest == hashlib.sha256(encoded(1, kind)).hexdigest()
    assert (found.suffix, found.label) == (suffix, "hills")
    assert found.source == {
        "request_id": "a", "index": "3", "time": "2026-11-20T12:00:02+00:00", "version": "one",
        "answered": "car",
    }  # fmt: skip


@pytest.mark.parametrize(("truth", "label"), [(23500.0, "23500"), (0.1, "0.1"), (1e300, "1e+300")])
def test_a_number_is_written_as_one_would(log: WrittenLog, truth: float, label: str):
    log.answered("a", encoded(1), answer=20000.0)
    log.told("a", truth)

    (found,) = harvested(log).told

    assert found.label == label
    assert float(found.label) == truth
    assert found.source["answered"] == "20000"


def test_what_is_not_used_is_counted(log: WrittenLog):
    log.write("broken")
    log.answered("untold", encoded(1))
    log.answered("lost")
    log.told("lost", "car")
    log.told("unknown", "car")
    log.answered("other", encoded(2), model="digits-cnn")
    log.told("other", "7")
    log.answered("number", encoded(3))
    log.told("number", 5.0)
    log.answered("twice", encoded(4))
    log.answered("twice", encoded(5))
    log.told("twice", "car")
    log.answered("damaged", encoded(6)[:-9], name=hashlib.sha256(encoded(6)).hexdigest())
    log.told("damaged", "car")
    log.answered("text", b"no picture")
    log.told("text", "car")
    log.answered("path", name="../predictions-0.jsonl")
    log.told("path", "car")

    found = harvested(log)

    assert found.told == ()
    assert found.unused == {
        "broken lines of the log": 1,
        UNTOLD: 1,
        "feedback to no prediction in the log": 1,
        "feedback about another model": 1,
        "feedback that is a number for a class, or a word for a number": 1,
        "feedback to an id under which a model answered twice": 1,
        NO_PICTURE: 2,
        "the kept picture is damaged": 2,
    }


def test_the_latest_truth_counts(log: WrittenLog):
    log.answered("a", encoded(1))
    log.answered("b", encoded(1))
    log.answered("c", encoded(1))
    log.told("b", "hills")
    log.told("a", "car")
    log.told("a", "word")
    log.told("c", "word")

    found = harvested(log)

    assert [(told.label, told.source["request_id"]) for told in found.told] == [("word", "c")]
    assert found.unused == {
        "feedback that later feedback to the same answer replaces": 1,
        "the same picture was told otherwise later": 1,
        "the same picture was told again": 1,
    }


def test_a_truth_under_the_id_of_several_models_is_of_one_that_knows_it(log: WrittenLog):
    for request_id, seed in (("mine", 1), ("theirs", 2)):
        log.answered(request_id, encoded(seed))
        log.answered(request_id, encoded(seed), model="digits-cnn", answer="7")
    log.told("mine", "hills")
    log.told("theirs", "7")

    found = harvested(log, "car", "hills")

    assert [told.label for told in found.told] == ["hills"]
    assert found.unused == {"feedback to several models that may be about another one": 1}


NASTY = (
    "..",
    "../x",
    "/etc",
    "a/b",
    "a\\b",
    "C:x",
    ".hidden",
    "train",
    "Test",
    "con\0",
    "=1+1",
    "\u202ecar",
    "é" * 100,
)


@settings(max_examples=50)
@given(
    truths=st.lists(st.sampled_from(NASTY) | st.text(min_size=1, max_size=100), min_size=1, max_size=4),
    name=st.none() | st.sampled_from(("../../secret", "..", "/etc/passwd")) | st.text(max_size=70),
    layout=st.sampled_from(("folders", "parts", "table")),
)
def test_whatever_is_told_nothing_outside_the_folder_is_written(
    truths: list[str], name: str | None, layout: str
):
    with tempfile.TemporaryDirectory() as outer:
        folder = Path(outer) / "mine"
        names = [f"{'train/' * (layout == 'parts')}{label}/{seed}.png" for seed, label in enumerate("ab")]
        for seed, file in enumerate(names):
            (folder / file).parent.mkdir(parents=True)
            picture(seed).save(folder / file)
        if layout == "table":
            (folder / "labels.csv").write_text("file,label\na/0.png,a\nb/1.png,b\n")
        log = WrittenLog(Path(outer) / "log")
        (Path(outer) / "secret").write_bytes(encoded(0))
        for number, truth in enumerate(truths):
            log.answered(str(number), encoded(10 + number))
            log.told(str(number), truth)
        log.answered("named", name=name)
        log.told("named", "a")
        before = {path for path in Path(outer).rglob("*") if path != folder and folder not in path.parents}

        told = harvested(log, "a", "b").told
        added = add(read_collection(folder), folder, told)

        after = {path for path in Path(outer).rglob("*") if path != folder and folder not in path.parents}
        assert after == before
        assert len(told) == len(truths)
        assert len(added.files) + sum(added.unused.values()) == len(truths)
        collection = read_collection(folder)
        assert collection.findings == ()
        expected = {a.digest: a.label for a in told}
        read = {hashlib.sha256(e.file.read_bytes()).hexdigest(): e.label for e in collection.entries}
        assert len(read) == 2 + len(added.files)
        assert all(expected[d] == label for d, label in read.items() if d in expected)
        assert set(read.values()) >= {"a", "b"}
        assert not [entry for entry in collection.entries if entry.part not in (None, "train")]
