"""`grow`: what a service was told is learned, and the better file is served without a restart."""

import io
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from loadtests.server import serving
from models.model import open_model
from tests.support.log_folder import classify, tell, written
from tests.support.waiting import wait_until
from tests.training.custom.growing.written_log import WrittenLog
from training.__main__ import app
from training.custom.registry import Unseen
from training.data.synthetic import outliers

pytestmark = pytest.mark.slow

NEW_CLASS = "bars"


class Place:
    """A model of one's own in a place of its own: pictures, zoo, data."""

    def __init__(self, root: Path, data: Path) -> None:
        self.pictures, self.zoo, self.runs = root / "things", root / "zoo", root / "runs"
        self.data = data

    @property
    def file(self) -> Path:
        return self.zoo / "things.onnx"

    def run(self, command: str, *arguments: object) -> Result:
        where = ("--data", self.data, "--zoo", self.zoo, "--runs", self.runs)
        return CliRunner().invoke(app, [command, "things", *map(str, (*arguments, *where))])

    def added(self) -> Counter[str]:
        """The pictures that came from a log, by class."""
        return Counter(path.parent.name for path in self.pictures.rglob("log-*"))


@pytest.fixture(scope="module")
def place(three_classes: Path, own_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Where `new` has made a model."""
    place = Place(tmp_path_factory.mktemp("grow"), own_data)
    shutil.copytree(three_classes, place.pictures)
    made = place.run("new", place.pictures)
    assert made.exit_code == 0, made.output
    return place


def bars(rng: np.random.Generator) -> np.ndarray:
    """Upright bars of two strong colours."""
    colours = rng.choice([(220, 30, 30), (30, 30, 220), (250, 220, 20), (20, 160, 60)], 2, replace=False)
    width = int(rng.integers(20, 45))
    row = (colours + rng.integers(-20, 20, (2, 3))).clip(0, 255)[np.arange(240) // width % 2]
    return np.repeat(row[None].astype(np.uint8), 240, axis=0)


def drawn(kind: str, seed: int) -> bytes:
    makers = {"car": outliers.drawn_car, "hills": outliers.landscape, NEW_CLASS: bars}
    file = io.BytesIO()
    Image.fromarray(makers[kind](np.random.default_rng((7, seed)))).save(file, "PNG")
    return file.getvalue()


def test_wrong_truths_that_make_it_worse_are_not_installed(place: Place, tmp_path: Path):
    log = WrittenLog(tmp_path / "log")
    before = place.file.read_bytes(), (place.data / "custom" / "things.npz").read_bytes()
    for file in sorted((place.pictures / "car").iterdir()):
        for corner in ((0, 0), (1, 0)):  # twice as many as there are right ones
            copy, picture = io.BytesIO(), Image.open(file).convert("RGB")
            picture.putpixel(corner, (1, 2, 3))
            picture.save(copy, "PNG")
            log.answered(f"{file.stem}-{corner[0]}", copy.getvalue())
            log.told(f"{file.stem}-{corner[0]}", "hills")

    done = place.run("grow", "--from-log", log.folder)

    assert done.exit_code == 1, done.output
    assert "kept the old one" in done.output
    assert (place.file.read_bytes(), (place.data / "custom" / "things.npz").read_bytes()) == before
    assert {path.name for path in place.zoo.iterdir()} == {"things.onnx", "things.md"}
    assert place.added() == {"hills": 24}
    assert len((place.pictures / "sources.csv").read_text().splitlines()) == 25

    for file in place.pictures.rglob("log-*"):
        file.unlink()


def test_what_a_service_is_told_it_answers_next(place: Place, tmp_path: Path):
    log = tmp_path / "log"
    pictures = [("hills", drawn("hills", seed)) for seed in range(3)]
    pictures += [(NEW_CLASS, drawn(NEW_CLASS, seed)) for seed in range(8)]
    with serving(place.zoo, tmp_path / "server.log", prediction_log=str(log), log_pictures="true") as url:
        first = {answer_of(url, image, f"ask-{n}")["version"] for n, (_, image) in enumerate(pictures)}
        for n, (truth, _) in enumerate(pictures):
            assert tell(url, request_id=f"ask-{n}", truth=truth).status_code == 202
        tell(url, request_id="ask-0", truth="../outside")
        tell(url, request_id="never", truth="car")
        written(log, 2 * len(pictures) + 2)

        done = place.run("grow", "--from-log", log)

        assert done.exit_code == 0, done.output
        card = open_model(place.file).card
        corrected = pictures[-1][1]

        def new_answer() -> dict[str, str] | None:
            # Each worker takes the file up by itself: the next answer may be the old one's again.
            answer = answer_of(url, corrected, "again")
            return answer if answer["version"] == card.version else None

        answer = wait_until(new_answer)

    assert len(first) == 1
    assert first != {card.version}
    assert card.labels == (NEW_CLASS, "car", "hills", "word")
    assert answer["label"] == NEW_CLASS
    assert place.added() == {"hills": 2, NEW_CLASS: 8}
    assert f"new classes: {NEW_CLASS} (8)" in " ".join(done.output.split())
    for reason in ("no name that a class can have", "feedback to no prediction in the log"):
        assert reason in " ".join(done.output.split())
    assert not list(tmp_path.rglob("outside*"))
    page = (place.zoo / "things.md").read_text()
    assert card.version in page

    again = place.run("grow", "--from-log", log)

    assert again.exit_code == 1
    assert "There is nothing in" in again.output
    assert open_model(place.file).card == card


def answer_of(url: str, image: bytes, request_id: str) -> dict[str, str]:
    answer = classify(url, image, request_id, "things")
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def test_a_model_without_its_memory_is_made_again_first(place: Place, tmp_path: Path):
    log = WrittenLog(tmp_path / "log")
    log.answered("a", drawn("car", 500))
    log.told("a", "car")
    other = Place(tmp_path, shutil.copytree(place.data, tmp_path / "data", symlinks=True))
    other.zoo, other.pictures = place.zoo, place.pictures
    before = place.added()

    (other.data / "custom" / "things.npz").write_bytes(b"damaged")
    damaged = other.run("grow", "--from-log", log.folder)
    (other.data / "custom" / "things.npz").unlink()
    missing = other.run("grow", "--from-log", log.folder)
    Unseen("another", ("x",), {}).save("things", other.data)
    stale = other.run("grow", "--from-log", log.folder)

    for done, why in ((damaged, "is damaged"), (missing, "was not kept"), (stale, "is of version another")):
        assert done.exit_code == 1, done.output
        assert why in done.output
        assert "python -m training new things" in done.output
    assert place.added() == before


def test_rm_forgets_what_was_kept_of_the_pictures(place: Place, tmp_path: Path):
    data = shutil.copytree(place.data, tmp_path / "data", symlinks=True)

    done = CliRunner().invoke(app, ["rm", "things", "--data", str(data), "--zoo", str(tmp_path)])

    assert done.exit_code == 0
    assert list((data / "custom").iterdir()) == []
