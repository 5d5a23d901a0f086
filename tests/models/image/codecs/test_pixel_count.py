"""The number of pixels by the header alone."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from loadtests.hostile.files import too_many_blocks, too_many_pixels
from models.image.codecs import jpeg
from models.image.decode import FORMATS, pixel_count
from tests.models.image.codecs import files
from tests.support.images import pictures

SCENE = pictures.landscape(123, 81)
EVERY = files.plain(SCENE) | files.judged(SCENE) | files.others(SCENE)
ENDLESS = too_many_blocks(2**20)


@pytest.mark.parametrize("name", [name for name in EVERY if name != "jpeg-junk"])
def test_png_and_jpeg(name):
    with Image.open(io.BytesIO(EVERY[name])) as image:
        assert pixel_count(EVERY[name]) == image.width * image.height == 123 * 81


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind not in ("PNG", "JPEG")])
def test_other_formats(kind):
    assert pixel_count(pictures.encoded(SCENE, kind)) is None


def test_bombs():
    bombs = too_many_pixels(60_000)

    assert pixel_count(bombs["png"]) == pixel_count(bombs["jpeg"]) == 60_000**2


@pytest.mark.parametrize("name", ["jpeg-markers", "jpeg-exif"])
def test_endless_headers_are_not_followed(name):
    assert pixel_count(ENDLESS[name]) is None
    assert len(list(jpeg.segments(ENDLESS[name], most=7))) == 7
    assert jpeg.baseline(ENDLESS[name]) is None


@given(
    st.sampled_from([b"", *(data[:length] for data in EVERY.values() for length in (3, 16, 30, 200))]),
    st.binary(),
)
def test_any_bytes(start, rest):
    assert (pixel_count(start + rest) or 0) >= 0
