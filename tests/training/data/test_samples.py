"""The folders that `samples` draws: what `check` and `new` are tried with."""

import csv
import hashlib
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from training.__main__ import app
from training.data.samples.folders import write_samples
from training.data.samples.mushrooms import KINDS, LATER
from training.data.splits import DataError


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    assert write_samples(folder, 5) == {"cars": 20, "later": 12, "mushrooms": 20}
    return folder


def digests(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_there_is_a_folder_for_each_class_and_another_kind_for_later(samples: Path):
    assert {folder.name for folder in (samples / "mushrooms").iterdir()} == set(KINDS)
    later = {file.stem.rpartition("-")[0] for file in (samples / "later").iterdir()}
    assert later == set(KINDS | LATER)


def test_one_file_is_cut_off_and_one_picture_is_in_two_classes(samples: Path):
    broken = []
    for file in (samples / "mushrooms").rglob("*.jpg"):
        with Image.open(file) as picture:
            try:
                picture.load()
            except OSError:
                broken.append(file.relative_to(samples / "mushrooms").as_posix())
    found = digests(samples / "mushrooms")

    assert broken == ["fly-agaric/1.jpg"]
    assert len(set(found.values())) == len(found) - 1
    assert found["bay-bolete/1.jpg"] == found["chanterelle/1.jpg"]


def test_each_car_is_drawn_twice_with_its_price_and_length(samples: Path):
    rows = list(csv.DictReader((samples / "cars" / "prices.csv").read_text().splitlines()))

    assert {row["file"] for row in rows} == {file.name for file in (samples / "cars").glob("*.jpg")}
    assert len({row["group"] for row in rows}) == len(rows) / 2 == 10
    assert all(float(row["price"]) > 5_000 and 3 < float(row["length"]) < 5 for row in rows)


def test_the_same_seed_draws_the_same_pictures(samples: Path, tmp_path: Path):
    write_samples(tmp_path / "again", 5)
    write_samples(tmp_path / "other", 5, seed=1)

    assert digests(tmp_path / "again") == digests(samples) != digests(tmp_path / "other")


def test_nothing_is_written_into_a_folder_with_something_in_it(tmp_path: Path):
    (tmp_path / "mine.jpg").write_bytes(b"mine")

    with pytest.raises(DataError, match="is not empty"):
        write_samples(tmp_path, 5)
    done = CliRunner().invoke(app, ["samples", str(tmp_path / "mine.jpg")])

    assert done.exit_code == 1
    assert "cannot be written" in done.output
    assert [file.name for file in tmp_path.iterdir()] == ["mine.jpg"]
