"""What is sent: which files, and how they are shrunk."""

import io

import numpy as np
import pytest
from PIL import Image

from service.client.pictures import Picture, UnreadablePicture, find, shrunk

ORIENTATION = 0x0112
TURNED = 6
"""The camera was turned: what is stored on the left is the top."""


def encoded(image, form="PNG", **options):
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def opened(content):
    return Image.open(io.BytesIO(content))


def noise(mode, size):
    bands = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], bands), np.uint8)
    return Image.merge(mode, [Image.fromarray(values[..., band]) for band in range(bands)])


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_large_picture_becomes_a_small_jpeg(mode):
    small = opened(shrunk(encoded(noise(mode, (600, 300)), "JPEG"), 100))

    assert (small.format, small.size, small.mode) == ("JPEG", (100, 50), "L" if mode == "L" else "RGB")


def test_it_comes_upright():
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED
    image = Image.new("RGB", (400, 200))
    image.paste((255, 0, 0), (0, 0, 200, 200))

    small = opened(shrunk(encoded(image, "JPEG", exif=exif), 100))

    assert small.size == (50, 100)
    assert ORIENTATION not in small.getexif()
    assert small.getpixel((25, 10))[0] > 200
    assert small.getpixel((25, 90))[0] < 50


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_stays(mode):
    image = noise(mode, (300, 300))
    image.putalpha(Image.new("L", (300, 300), 0))

    small = opened(shrunk(encoded(image), 100))

    assert (small.format, small.mode, small.size) == ("PNG", "RGBA", (100, 100))
    assert small.getextrema()[3] == (0, 0)


def test_a_colour_profile_stays():
    small = opened(shrunk(encoded(noise("RGB", (300, 300)), icc_profile=b"profile"), 100))

    assert small.info["icc_profile"] == b"profile"


@pytest.mark.parametrize(
    "content",
    [
        encoded(noise("RGB", (100, 60))),
        encoded(Image.fromarray(np.zeros((300, 300), np.uint16))),
        encoded(noise("RGB", (300, 300)))[:2000],
        b"no picture",
    ],
    ids=["small", "16 bits", "broken", "no picture"],
)
def test_anything_else_stays_as_it_is(content):
    assert shrunk(content, 100) == content


def test_files_that_are_named_are_sent_whatever_their_suffix(tmp_path):
    for name in ("b.png", "a.webp", "c.txt", "d"):
        (tmp_path / name).touch()
    (tmp_path / "round").symlink_to(tmp_path)

    found = [picture.name for picture in find([str(tmp_path), str(tmp_path / "c.txt"), "-"], b"")]

    assert found == [*(str(tmp_path / name) for name in ("a.webp", "b.png", "c.txt")), "-"]


def test_what_cannot_be_read_says_why(tmp_path):
    with pytest.raises(UnreadablePicture, match="No such file"):
        Picture(str(tmp_path / "missing.png")).read(None)
