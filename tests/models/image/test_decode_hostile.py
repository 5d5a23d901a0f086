"""Decoding hostile and unusual files: what they cost, and which of them open."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from loadtests.hostile import files
from loadtests.server import REPO
from models.image.colour import in_colour
from models.image.decode import FORMATS, PictureError, open_picture
from tests.support.images import kinds, pictures

# Pillow warns of odd metadata; open_picture filters that (models/image/decode.py), pytest resets it.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::UserWarning:PIL")]

SIDE = 64
SCENE = pictures.landscape(120, 80)
ENCODED = {kind: pictures.encoded(SCENE, kind) for kind in FORMATS}
ABSURD, ENDLESS, INFLATING = files.too_many_pixels(), files.too_many_blocks(8 * 2**20), files.inflating()

COST = """
import json, sys
from pathlib import Path
from models.image.decode import PictureError, open_picture

def memory(name):
    status = Path("/proc/self/status").read_text()
    return int(status.split(name + ":")[1].split()[0]) / 1024

open_picture(Path(sys.argv[1]).read_bytes(), 28)
data = Path(sys.argv[2]).read_bytes()
Path("/proc/self/clear_refs").write_text("5")  # reset the peak
before = memory("VmRSS")
try:
    open_picture(data, 28)
    outcome = "opened"
except PictureError as error:
    outcome = f"{error.reason}: {error}"
print(json.dumps([outcome, memory("VmHWM") - before]))
"""


def cost(folder, data: bytes) -> tuple[str, float]:
    """The outcome of opening a file, and a warm process's growth at the peak, in MB."""
    (folder / "warm").write_bytes(ENCODED["PNG"])
    (folder / "hostile").write_bytes(data)
    command = [sys.executable, "-c", COST, str(folder / "warm"), str(folder / "hostile")]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return tuple(json.loads(done.stdout))


@pytest.mark.parametrize("data", ABSURD.values(), ids=ABSURD)
def test_absurd_sizes_cost_nothing(tmp_path, data):
    outcome, peak = cost(tmp_path, data)

    assert outcome.startswith("size: ")
    assert peak < 10


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_false_size_in_a_container_costs_nothing(tmp_path, kind):
    outcome, peak = cost(tmp_path, files.with_ispe(ENCODED[kind], 60_000, 60_000))

    assert outcome != "opened"
    assert peak < 10


@pytest.mark.parametrize("data", ENDLESS.values(), ids=ENDLESS)
def test_endless_files_cost_little(tmp_path, data):
    """Unbounded, 8 MiB of them cost up to half a GB or half a minute."""
    outcome, peak = cost(tmp_path, data)

    assert outcome.startswith("content: ")
    assert "more blocks" in outcome  # stopped by the bounded reader, not at the end
    assert peak < 40


@pytest.mark.parametrize("data", INFLATING.values(), ids=INFLATING)
def test_inflating_files_cost_little(tmp_path, data):
    assert cost(tmp_path, data)[1] < 20


@pytest.mark.parametrize("kind", FORMATS)
def test_truncated_at_every_percent(kind):
    whole = ENCODED[kind]
    refused = 0
    for percent in range(100):
        try:
            assert open_picture(whole[: len(whole) * percent // 100], SIDE).shape[2] == 3
        except PictureError:
            refused += 1
    assert refused > 25


@pytest.mark.parametrize(("mode", "kind"), kinds.MODES)
def test_modes(mode, kind):
    picture = in_colour(open_picture(pictures.encoded(kinds.in_mode(SCENE, mode), kind), SIDE))

    assert (picture.shape, picture.dtype) == ((80, 120, 3), np.uint8)
    assert np.abs(picture.astype(int) - pictures.pixels(kinds.seen_in(SCENE, mode))).mean() < 3


def test_transparent_palette_gets_paper():
    drawing = Image.new("P", (40, 40), 0)
    drawing.putpalette([255, 0, 0, 0, 0, 0])
    drawing.paste(1, (10, 10, 20, 20))
    for transparency in (0, b"\0\xff"):
        picture = open_picture(pictures.encoded(drawing, transparency=transparency), SIDE)

        assert picture[0, 0].tolist() == [255, 255, 255]
        assert picture[15, 15].tolist() == [0, 0, 0]


@pytest.mark.parametrize("make", [kinds.progressive, kinds.arithmetic])
def test_progressive_and_arithmetic_jpeg(make):
    assert open_picture(make(SCENE), SIDE).shape == (80, 120, 3)


@pytest.mark.parametrize("kind", kinds.ANIMATED)
def test_first_frame(kind):
    colours = ((250, 0, 0), (0, 250, 0), (0, 0, 250))
    frames = [Image.new("RGB", (40, 30), colour) for colour in colours]
    picture = open_picture(kinds.animated(frames, kind), SIDE)

    assert picture.shape == (30, 40, 3)
    assert picture[15, 20, 0] > 200
    assert picture[15, 20, 1:].max() < 60
