"""What is remembered of own models, and the names that `new` leaves to others."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from models.atomic import write_atomically
from models.model import ZOO
from tests.support.models.files import model_file, put
from training.__main__ import app
from training.custom.registry import OWN, Origin, Unseen, forget
from training.data.splits import DataError

ORIGIN = Origin(
    "/pictures/möbel und mehr", "price", "squash", "efficientnet-lite2", "EUR", "as asked", "linear"
)


def unseen(count: int = 3) -> Unseen:
    rng = np.random.default_rng(0)
    outputs = {"probabilities": rng.random((count, 2)).astype(np.float32), "familiarity": rng.random(count)}
    return Unseen("0123456789ab", tuple(f"{n:064x}" for n in range(count)), outputs)


@pytest.mark.parametrize("origin", [ORIGIN, dataclasses.replace(ORIGIN, target=None, scale="log")])
def test_what_new_was_told_is_read_as_it_was_written(tmp_path, origin):
    origin.save("things", tmp_path)
    dataclasses.replace(origin, folder="/elsewhere").save("others", tmp_path)

    assert Origin.load("things", tmp_path) == origin


def test_a_model_that_was_not_made_here(tmp_path):
    with pytest.raises(DataError, match=r"No model 'things' was made here: run `python -m training new`"):
        Origin.load("things", tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"folder": "x"}', '{"more": 1}', "\udcff"])
def test_a_damaged_origin_says_which_file_and_what_to_do(tmp_path, text):
    ORIGIN.save("things", tmp_path)
    path = tmp_path / "custom" / "things.json"
    path.write_bytes(text.encode(errors="surrogateescape"))

    with pytest.raises(DataError, match=r"is damaged .*: run `new` again") as raised:
        Origin.load("things", tmp_path)
    assert str(path) in str(raised.value)


def test_what_was_written_before_there_were_scales_is_on_the_logarithmic_one(tmp_path):
    ORIGIN.save("things", tmp_path)
    path = tmp_path / "custom" / "things.json"
    path.write_text(path.read_text().replace(',\n "scale": "linear"', ""))

    assert Origin.load("things", tmp_path) == dataclasses.replace(ORIGIN, scale="log")


def test_answers_to_unseen_pictures_are_read_as_they_were_written(tmp_path):
    written = unseen()
    written.save("things", tmp_path)
    read = Unseen.load("things", written.version, tmp_path)

    assert (read.version, read.digests) == (written.version, written.digests)
    assert read.outputs.keys() == written.outputs.keys()
    for name, rows in written.outputs.items():
        np.testing.assert_array_equal(read.outputs[name], rows)
        assert read.outputs[name].dtype == rows.dtype


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "was not kept"),
        (lambda path: path.write_bytes(path.read_bytes()[:-60]), "is damaged"),
        (lambda path: path.write_bytes(b""), "is damaged"),
        (lambda path: np.savez(path, version="0123456789ab"), "is damaged"),
        (lambda path: np.savez(path, version="9876543210", digests=[]), "is of version 9876543210"),
    ],
    ids=["missing", "cut", "empty", "lacking", "another"],
)
def test_without_the_answers_of_this_version_it_says_what_to_do(tmp_path, damage, message):
    unseen().save("things", tmp_path)
    damage(tmp_path / "custom" / "things.npz")

    with pytest.raises(DataError, match=f"{message}.*run `python -m training new things` again"):
        Unseen.load("things", unseen().version, tmp_path)


def test_what_is_forgotten_is_gone_and_nothing_else(tmp_path):
    for name in ("things", "other-things"):
        ORIGIN.save(name, tmp_path)
        unseen().save(name, tmp_path)

    assert forget("things", tmp_path)
    assert not forget("things", tmp_path)
    assert {path.name for path in (tmp_path / "custom").iterdir()} == {
        "other-things.json",
        "other-things.npz",
    }


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    """With one model that `new` did not make."""
    (tmp_path / "zoo").mkdir()
    shutil.copy(ZOO / "digits-linear.onnx", tmp_path / "zoo")
    return tmp_path / "zoo"


def run(command: str, *arguments: object) -> Result:
    return CliRunner().invoke(app, [command, *map(str, arguments)])


def test_new_leaves_a_model_that_it_did_not_make(zoo, tmp_path):
    before = (zoo / "digits-linear.onnx").read_bytes()

    refused = run("new", "digits-linear", tmp_path / "absent", "--data", tmp_path / "data", "--zoo", zoo)

    assert refused.exit_code == 1
    assert "was not made of own pictures, and is left alone" in " ".join(refused.output.split())
    assert (zoo / "digits-linear.onnx").read_bytes() == before
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("damaged", [False, True])
def test_new_makes_its_own_model_again_whatever_is_remembered_of_it(zoo, tmp_path, damaged):
    """`Origin.load` says "run `new` again" then. What stops it here is the folder, after the name."""
    put(zoo, "mine", model_file("mine", training={"name": f"{OWN}mine"}))
    if damaged:
        write_atomically(tmp_path / "data" / "custom" / "mine.json", "{")

    refused = run("new", "mine", tmp_path / "absent", "--data", tmp_path / "data", "--zoo", zoo)

    assert refused.exit_code == 1
    assert "left alone" not in refused.output
    assert "absent" in refused.output


def test_rm_leaves_a_published_model_whose_name_was_used_elsewhere(zoo, tmp_path):
    ORIGIN.save("digits-linear", tmp_path / "data")

    refused = run("rm", "digits-linear", "--data", tmp_path / "data", "--zoo", zoo)

    assert refused.exit_code == 1
    assert "left alone" in refused.output
    assert (zoo / "digits-linear.onnx").exists()


def test_rm_leaves_a_model_that_new_did_not_make(zoo, tmp_path):
    refused = run("rm", "digits-linear", "--data", tmp_path / "data", "--zoo", zoo)

    assert refused.exit_code == 1
    assert "No model 'digits-linear' was made here" in " ".join(refused.output.split())
    assert (zoo / "digits-linear.onnx").exists()
