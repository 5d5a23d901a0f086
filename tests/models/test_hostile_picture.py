"""Hostile files, opened directly: what they may cost, what is never reached, and what is still answered."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms

from loadtests.hostile import files
from loadtests.server import REPO
from models.picture import FORMATS, PictureError, open_picture
from tests import pictures

# Pillow warns of odd metadata; where it serves, that is switched off (models/picture.py).
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

SIDE = 64
SCENE = pictures.landscape(120, 80)
open_picture(pictures.encoded(SCENE), SIDE)  # registers HEIF, so that Pillow can write it here
ENCODED = {kind: pictures.encoded(SCENE, kind) for kind in FORMATS}
ABSURD, ENDLESS, INFLATING = files.too_many_pixels(), files.too_many_blocks(8 * 2**20), files.inflating()

COST = """
import json, sys, time
from pathlib import Path
from models.picture import PictureError, open_picture

def memory(name):
    status = Path("/proc/self/status").read_text()
    return int(status.split(name + ":")[1].split()[0]) / 1024

open_picture(Path(sys.argv[1]).read_bytes(), 28)
data = Path(sys.argv[2]).read_bytes()
Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
before, start = memory("VmRSS"), time.process_time()
try:
    open_picture(data, 28)
    outcome = "opened"
except PictureError as error:
    outcome = error.reason
print(json.dumps([outcome, memory("VmHWM") - before, time.process_time() - start]))
"""


def cost(folder, data: bytes) -> tuple[str, float, float]:
    """How opening ends, MB at the peak over what a warm process has, and seconds of processor time."""
    (folder / "warm").write_bytes(ENCODED["PNG"])
    (folder / "hostile").write_bytes(data)
    command = [sys.executable, "-c", COST, str(folder / "warm"), str(folder / "hostile")]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return tuple(json.loads(done.stdout))


@pytest.mark.parametrize("data", ABSURD.values(), ids=ABSURD)
def test_absurd_sizes_cost_nothing(tmp_path, data):
    outcome, peak, _ = cost(tmp_path, data)

    assert outcome == "size"
    assert peak < 10


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
def test_a_container_that_lies_costs_nothing(tmp_path, kind):
    outcome, peak, _ = cost(tmp_path, files.with_ispe(ENCODED[kind], 60_000, 60_000))

    assert outcome in ("size", "content", "format")
    assert peak < 10


@pytest.mark.parametrize("data", ENDLESS.values(), ids=ENDLESS)
def test_endless_files_cost_little(tmp_path, data):
    """Unguarded, 8 MiB of them cost up to half a GB or half a minute."""
    outcome, peak, seconds = cost(tmp_path, data)

    assert outcome == "content"
    assert peak < 40
    assert seconds < 5


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


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        *((mode, "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        *((mode, "TIFF") for mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK")),
        *((mode, "TIFF") for mode in ("YCbCr", "LAB", "I", "I;16", "I;16B", "F")),
        ("CMYK", "JPEG"), ("L", "JPEG"), ("YCbCr", "JPEG"), ("RGBA", "WEBP"), ("RGBA", "AVIF"), ("L", "AVIF"),
        ("RGBA", "HEIF"), ("L", "HEIF"),
        ("1", "BMP"), ("L", "BMP"), ("P", "BMP"), ("RGBA", "BMP"), ("P", "GIF"),
    ],
)  # fmt: skip
def test_every_mode_is_opened(mode, kind):
    if mode.startswith("I;16") or mode in ("I", "F"):
        # Pillow has no way from colours to these.
        image = Image.fromarray(np.arange(9600, dtype=np.uint16).reshape(80, 120))
        image = image if mode == "I;16" else image.convert("I").convert(mode)
    elif mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        image = ImageCms.profileToProfile(SCENE, *profiles, outputMode="LAB")
    else:
        between = {"PA": "P", "RGBX": "RGB"}.get(mode)
        image = (SCENE.convert(between) if between else SCENE).convert(mode)
    picture = open_picture(pictures.encoded(image, kind), SIDE)

    assert (picture.shape, picture.dtype) == ((80, 120, 3), np.uint8)
    assert picture.min() < picture.max()


def test_a_palette_with_transparency_lies_on_paper():
    drawing = Image.new("P", (40, 40), 0)
    drawing.putpalette([255, 0, 0, 0, 0, 0])
    drawing.paste(1, (10, 10, 20, 20))
    for transparency in (0, b"\0\xff"):
        picture = open_picture(pictures.encoded(drawing, transparency=transparency), SIDE)

        assert picture[0, 0].tolist() == [255, 255, 255]
        assert picture[15, 15].tolist() == [0, 0, 0]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_every_format_that_has_one(kind, orientation):
    """As JPEG in test_picture.py. HEIF turns by properties of its own, which its decoder applies."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.new("RGB", (60, 40), (255, 255, 255))
    stored.paste((255, 0, 0), (0, 0, 30, 20))
    picture = open_picture(pictures.encoded(stored, kind, exif=exif, quality=95), 600)

    corner = {1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)}
    down, right = corner[orientation]
    height, width = (40, 60) if orientation < 5 else (60, 40)
    assert picture.shape == (height, width, 3)
    for y in (0, 1):
        for x in (0, 1):
            red = picture[5 if y == 0 else height - 6, 5 if x == 0 else width - 6, 1] < 80
            assert red == ((y, x) == (down, right))


def test_progressive_and_arithmetic_jpeg():
    assert open_picture(pictures.encoded(SCENE, "JPEG", progressive=True), SIDE).shape == (80, 120, 3)
    # The same segments with the arithmetic frame header (SOF9): its decoder makes some picture of any bits.
    baseline = pictures.encoded(SCENE, "JPEG")
    arithmetic = baseline.replace(b"\xff\xc0\0\x11", b"\xff\xc9\0\x11")
    assert arithmetic != baseline
    assert open_picture(arithmetic, SIDE).shape == (80, 120, 3)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_the_first_of_many_frames_is_opened(kind):
    frames = [Image.new("RGB", (40, 30), colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    data = pictures.encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    picture = open_picture(data, SIDE)

    assert picture.shape == (30, 40, 3)
    assert picture[15, 20, 0] > 200
    assert picture[15, 20, 1:].max() < 60
