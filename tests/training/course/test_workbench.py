"""The workbench of a lab: small pictures, animations, playgrounds that hold their data safely."""

import json
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image

from training.course import workbench as module


@pytest.fixture
def bench(tmp_path):
    return module.Workbench(tmp_path / "lab" / "neuron", small=True)


def test_a_figure_becomes_a_small_palette_png(bench):
    figure, axis = plt.subplots(figsize=(12, 5))
    axis.imshow(np.random.default_rng(0).random((60, 100)), cmap="viridis")
    picture = bench.save(figure, "noise", "noise")

    assert picture.path == bench.folder / "noise.png"
    assert picture.shows == "noise"
    assert picture.path.stat().st_size < 120_000
    with Image.open(picture.path) as shown:
        assert (shown.format, shown.mode, shown.size) == ("PNG", "P", (960, 400))
        assert len(shown.getcolors(256)) <= module.COLOURS
    assert not plt.fignum_exists(figure.number)


def test_saving_twice_gives_the_same_bytes_and_no_other_file(bench):
    def save():
        figure, axis = plt.subplots(figsize=(3, 2))
        axis.plot([0, 1], color=module.BLUE)
        return bench.save(figure, "line", "a line").path.read_bytes()

    assert save() == save()
    assert [path.name for path in bench.folder.iterdir()] == ["line.png"]


def test_frames_become_an_animation_that_repeats(bench):
    frames = [np.full((20, 30), shade, np.uint8) for shade in (0, 120, 255)]
    path = bench.save_animation(frames, "fade", "a fade", frame_ms=200).path

    with Image.open(path) as shown:
        assert (shown.format, shown.n_frames, shown.size) == ("GIF", 3, (30, 20))
        assert shown.info["loop"] == 0
        assert shown.info["duration"] == 200


@pytest.fixture
def play(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PLAY", tmp_path)
    (tmp_path / "one.html").write_text("<script>const data = /*DATA*/null;\nrun(data)</script>")
    (tmp_path / "none.html").write_text("<script>const data = null;</script>")
    (tmp_path / "two.html").write_text("<script>f(/*DATA*/null, /*DATA*/null)</script>")


def test_data_cannot_end_the_script_it_stands_in(bench, play):
    data = {"text": "</script><script>alert(1)</script>", "weights": [1.5, -2], "name": "Ü"}
    link = bench.save_playground("one.html", "play", "Play", data)
    page = link.path.read_text()

    assert link.says == "Play"
    assert page.count("</script>") == 1
    assert page.endswith("\nrun(data)</script>")
    written = re.search(r"data = (.*);\n", page)
    assert written
    assert json.loads(written[1]) == data


@pytest.mark.parametrize("template", ["none.html", "two.html"])
def test_a_template_has_one_place_for_data(bench, play, template):
    with pytest.raises(AssertionError, match="no single place"):
        bench.save_playground(template, "play", "Play", {})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_data_are_finite_numbers(bench, play, value):
    with pytest.raises(ValueError, match="JSON compliant"):
        bench.save_playground("one.html", "play", "Play", {"loss": value})


def test_sizes_and_steps(bench):
    assert bench.size(full=1000, small=10) == 10
    assert module.Workbench(bench.folder).size(full=1000, small=10) == 1000
    assert list(bench.track(range(3), "counting")) == [0, 1, 2]
