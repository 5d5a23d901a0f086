"""Downscaling before all else: large pictures look the same for less memory."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from loadtests.server import REPO
from models.image.colour import in_colour
from models.image.decode import open_picture
from tests.support.images import pictures
from tests.support.images.kinds import MODES, STORED, in_mode

pytestmark = pytest.mark.slow

PAGE = pictures.landscape(1230, 820)
FACTOR = 4
SIDE = 820 // FACTOR // 2
WHOLE = 10_000
"""More than any shorter side here, so nothing is downscaled."""


def means(picture):
    """Means of square blocks of FACTOR pixels a side."""
    height, width = (FACTOR * (side // FACTOR) for side in picture.shape[:2])
    squares = picture[:height, :width].reshape(height // FACTOR, FACTOR, width // FACTOR, FACTOR, 3)
    return squares.mean(axis=(1, 3))


@pytest.mark.parametrize(("mode", "kind"), [(mode, kind) for mode, kind in MODES if kind != "JPEG"])
def test_pixels_are_block_means(mode, kind):
    data = pictures.encoded(in_mode(PAGE, mode), kind)
    downscaled = in_colour(open_picture(data, SIDE))[: 820 // FACTOR, : 1230 // FACTOR]
    whole = in_colour(open_picture(data, WHOLE))

    assert whole.shape == (820, 1230, 3)
    assert np.abs(downscaled - means(whole)).mean() < 1.5


def test_transparency_is_kept():
    """A colour key is not averaged with colours, and hidden colours do not show."""
    drawing = pictures.digit(7, size=(1230, 820), ink=(0, 0, 0), paper=(255, 0, 255))
    keyed = pictures.encoded(drawing, "PNG", transparency=(255, 0, 255))
    clear = drawing.convert("RGBA")
    clear.putalpha(Image.fromarray(np.uint8(255) * (np.asarray(drawing)[:, :, 0] < 128)))

    for data in (keyed, pictures.encoded(clear, "PNG"), pictures.encoded(clear, "WEBP", lossless=True)):
        downscaled = open_picture(data, SIDE)
        assert np.ptp(downscaled, axis=2).max() <= 2, "no trace of magenta"
        assert (downscaled.min(), downscaled.max()) == (0, 255)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_orientation_is_applied(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    turn = STORED[orientation]
    stored = PAGE if turn is None else PAGE.transpose(turn)
    downscaled = open_picture(pictures.encoded(stored, kind, exif=exif), SIDE)[
        : 820 // FACTOR, : 1230 // FACTOR
    ]

    assert downscaled.shape == (820 // FACTOR, 1230 // FACTOR, 3)
    assert np.abs(downscaled - means(pictures.pixels(PAGE))).mean() < 6


def test_narrow_picture_is_kept():
    data = pictures.encoded(pictures.landscape(3000, 2 * SIDE))

    assert open_picture(data, SIDE).shape == (2 * SIDE, 3000, 3)


PEAK_GROWTH = """
import resource, sys
from models.image.decode import open_picture

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

data = open(sys.argv[1], "rb").read()
open_picture(open(sys.argv[2], "rb").read(), 400)
before = peak()
open_picture(data, 400)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is counted in KiB")
def test_memory_is_little_more_than_the_pixels(tmp_path):
    """Pillow holds four bytes per pixel; without downscaling, six more are taken."""
    large, small = pictures.landscape(2500, 2500), pictures.landscape(120, 80)
    (tmp_path / "large").write_bytes(pictures.encoded(large, compress_level=1))
    (tmp_path / "small").write_bytes(pictures.encoded(small))
    command = [sys.executable, "-c", PEAK_GROWTH, tmp_path / "large", tmp_path / "small"]
    ended = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)

    assert int(ended.stdout) < 5 * 2500 * 2500
