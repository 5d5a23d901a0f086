"""`new`: from a folder to a file that is served, in this process."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from loadtests.server import serving
from models.image.decode import open_picture
from models.model import Model, open_model
from tests.support.http_calls import CLIENT
from training.__main__ import app

pytestmark = pytest.mark.slow


def training(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


def new(name: str, folder: Path, out: Path, data: Path, *options: object) -> Result:
    return training(
        "new", name, folder, "--data", data, "--zoo", out / "zoo", "--runs", out / "runs", *options
    )


@pytest.fixture(scope="module")
def things(
    three_classes: Path, own_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("new")
    return out, new("things", three_classes, out, own_data)


@pytest.fixture(scope="module")
def model(things: tuple[Path, Result]) -> Model:
    return open_model(things[0] / "zoo" / "things.onnx")


def test_a_folder_becomes_a_model_with_its_report(things: tuple[Path, Result]):
    out, done = things

    assert done.exit_code == 0, done.output
    assert "curl -F image=@picture.jpg -F model=things localhost:3000/classify" in done.output
    assert {path.name for path in (out / "runs/things/report").iterdir()} >= {"confusion.png", "examples.png"}
    page = (out / "zoo" / "things.md").read_text()
    assert "5-fold cross-validation, n = 36" in page


def test_the_model_tells_the_classes_apart(model: Model, three_classes: Path):
    values, intervals = model.card.measured.values, model.card.measured.intervals

    assert model.card.labels == ("car", "hills", "word")
    assert values["accuracy"] >= 0.9
    low, high = intervals["accuracy"]
    assert low < values["accuracy"] <= high
    assert values["familiar"] >= 0.9
    for label in model.card.labels:
        picture = open_picture((three_classes / label / "3.png").read_bytes(), model.card.view.shorter_side)
        probabilities = model(model.card.view(picture)[None])["probabilities"][0]
        assert model.card.labels[int(probabilities.argmax())] == label


def test_no_picture_of_the_owner_is_in_the_file(model: Model, three_classes: Path):
    golden = model.card.golden.unpack()
    own = {
        model.card.view(open_picture(file.read_bytes(), model.card.view.shorter_side)).tobytes()
        for file in three_classes.rglob("*.png")
    }

    assert not own & {pixels.tobytes() for pixels in golden}


def test_the_same_command_twice_gives_the_same_file(
    things: tuple[Path, Result], three_classes: Path, own_data: Path, tmp_path: Path
):
    assert new("things", three_classes, tmp_path, own_data).exit_code == 0

    first, second = (out / "zoo" / "things.onnx" for out in (things[0], tmp_path))
    assert first.read_bytes() == second.read_bytes()


def test_a_running_service_takes_it_up_and_lets_go_of_it(
    things: tuple[Path, Result], model: Model, three_classes: Path, own_data: Path, tmp_path: Path
):
    picture = (three_classes / "hills" / "5.png").read_bytes()
    zoo = things[0] / "zoo"
    with serving(zoo, tmp_path / "log") as url:
        answer = CLIENT.post(f"{url}/classify", files={"image": picture}, data={"model": "things"}).json()

    assert answer["label"] == "hills"
    assert answer["version"] == model.card.version
    pixels = model.card.view(open_picture(picture, model.card.view.shorter_side))
    expected = model(pixels[None])["probabilities"][0]
    assert np.allclose(list(answer["probabilities"].values()), expected, atol=1e-4)


def test_strict_refuses_what_is_left_out_otherwise(three_classes: Path, own_data: Path, tmp_path: Path):
    (three_classes / "car" / "broken.png").write_bytes(b"no picture")
    try:
        refused = new("strict", three_classes, tmp_path, own_data, "--strict")
        checked = training("check", three_classes, "--data", own_data)
    finally:
        (three_classes / "car" / "broken.png").unlink()

    assert refused.exit_code == checked.exit_code == 1
    assert "car/broken.png" in checked.output
    assert not (tmp_path / "zoo").exists()


@pytest.mark.parametrize("name", ["Mushrooms", "my model", "-x", "a" * 65, "../x"])
def test_a_name_that_no_model_may_have(three_classes: Path, own_data: Path, tmp_path: Path, name: str):
    refused = training("new", "--data", own_data, "--zoo", tmp_path, "--", name, three_classes)

    assert refused.exit_code == 1
    assert "is no name of a model" in refused.output
    assert list(tmp_path.iterdir()) == []


def test_a_removed_model_is_gone_and_its_pictures_stay(
    things: tuple[Path, Result], three_classes: Path, own_data: Path, tmp_path: Path
):
    zoo = shutil.copytree(things[0] / "zoo", tmp_path / "zoo")

    done = training("rm", "things", "--data", own_data, "--zoo", zoo)

    assert done.exit_code == 0
    assert list(zoo.iterdir()) == []
    assert len(list(three_classes.rglob("*.png"))) == 36
    assert training("rm", "things", "--data", own_data, "--zoo", zoo).exit_code == 1
