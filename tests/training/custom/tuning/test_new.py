"""`new` with fine-tuning: the written file answers as it was evaluated."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from models.image.views import SquashView
from models.model import open_model
from training.__main__ import app
from training.cli.own_pictures import check_folder
from training.custom.learn import Learned, Options, learn
from training.custom.registry import Origin
from training.custom.trunk import Trunk
from training.custom.tuning import tail
from training.custom.tuning.finetune import FineTune

VIEW = SquashView(width=48, height=40)


@pytest.fixture(scope="module")
def parted(three_classes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pictures; the last three of each class are only tested on."""
    root = tmp_path_factory.mktemp("parted")
    for picture in three_classes.rglob("*.png"):
        part = root / ("test" if int(picture.stem) > 8 else "train") / picture.parent.name
        part.mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, part)
    return root


@pytest.fixture(scope="module")
def priced(three_classes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cars are dearer than hills."""
    root = tmp_path_factory.mktemp("priced")
    lines = ["file,price,split"]
    for kind, price in (("car", 900), ("hills", 100)):
        for number in range(12):
            shutil.copy(three_classes / kind / f"{number}.png", root / f"{kind}-{number}.png")
            lines.append(f"{kind}-{number}.png,{price + number},{'test' if number > 8 else 'train'}")
    (root / "prices.csv").write_text("\n".join(lines))
    return root


@pytest.fixture(scope="module")
def make(tiny_trunk: Trunk, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, FineTune], Learned]:
    """What a folder becomes with the tiny trunk; graphs and descriptions are kept from one to the next."""
    root = tmp_path_factory.mktemp("data")

    def made(folder: Path, how: FineTune) -> Learned:
        options = Options("things", VIEW, strangers=14, fine_tune=how)
        zoo = tmp_path_factory.mktemp("zoo")
        return learn(check_folder(folder, None, VIEW, root), tiny_trunk, options, zoo, root, 1)

    return made


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["parted", "priced"])
def test_the_file_answers_as_torch_did_and_as_was_measured(kind: str, make, request: pytest.FixtureRequest):
    learned = make(request.getfixturevalue(kind), "always")
    model = open_model(learned.path)

    answers = model(learned.pixels[learned.held_out])

    assert "% of the answer by its last blocks, fine-tuned." in model.card.summary
    assert len(learned.held_out) == len(answers["familiarity"]) > 5
    for name in answers:
        # Its test pictures are measured with the answers of the file itself; batches differ.
        evaluated = learned.outputs[name][learned.held_out]
        np.testing.assert_allclose(answers[name], evaluated, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_the_same_twice_and_nothing_of_it_in_a_file_without(make, parted: Path, monkeypatch):
    monkeypatch.setattr(tail, "MIN_STEPS", 12)
    first, second, plain = (make(parted, how).path for how in ("always", "always", "never"))

    assert first.read_bytes() == second.read_bytes()
    assert open_model(first).card.version != open_model(plain).card.version
    assert "fine-tuned" not in open_model(plain).card.summary
    sizes = {path: sum(np.prod(w.dims) for w in onnx.load(path).graph.initializer) for path in (first, plain)}
    # The last stage and what follows of the tiny trunk, and the head on its features.
    assert sizes[first] - sizes[plain] > 8 * 12 * 9 + 12 * 16


@pytest.mark.slow
def test_who_insists_gets_last_blocks_of_lite2_that_learned_and_grow_will_know(
    three_classes: Path, own_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tail, "MIN_STEPS", 8)  # of six fits, a step of which takes half a second
    folders = ["--data", own_data, "--zoo", tmp_path / "zoo", "--runs", tmp_path / "runs"]
    arguments = ["new", "tuned", three_classes, *folders, "--fine-tune", "always"]

    done = CliRunner().invoke(app, [*map(str, arguments)])

    assert done.exit_code == 0, done.output
    card = open_model(tmp_path / "zoo" / "tuned.onnx").card
    assert card.summary.startswith(
        "A picture of one's own: 3 classes, by a head on the features of efficientnet-lite2, "
    )
    assert card.summary.endswith("% of the answer by its last blocks, fine-tuned.")
    assert card.measured.values["accuracy"] >= 0.9
    assert Origin.load("tuned", own_data).fine_tune == "always"
