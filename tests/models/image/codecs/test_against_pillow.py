"""Every kind of PNG and JPEG against Pillow alone: PNG to the bit, JPEG within two levels."""

import numpy as np
import pytest

from models.image.codecs import jpeg, png
from models.image.colour import in_colour
from models.image.decode import open_picture
from tests.models.image.codecs import files
from tests.support.images import pictures

SIDE = 64
SCENE = pictures.landscape(123, 81)
PLAIN, JUDGED, OTHERS = files.plain(SCENE), files.judged(SCENE), files.others(SCENE)
EVERY = PLAIN | JUDGED | OTHERS
JPEG_TOLERANCE = 2
"""Levels: Pillow and OpenCV bring libjpeg-turbo in two versions."""


def assert_same(data: bytes, side: int) -> None:
    theirs, ours = files.by_pillow(data, side), in_colour(open_picture(data, side))
    assert ours.shape == theirs.shape
    tolerance = JPEG_TOLERANCE if data.startswith(jpeg.START) else 0
    assert np.abs(ours.astype(int) - theirs).max() <= tolerance


@pytest.mark.parametrize("data", [EVERY[name] for name in EVERY if name != "png-16"],
                         ids=[name for name in EVERY if name != "png-16"])  # fmt: skip
def test_same_pixels(data):
    assert_same(data, SIDE)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (2, 3), (8, 8), (17, 16), (33, 700)])
def test_same_pixels_of_any_size(size):
    for data in files.plain(pictures.landscape(*size)).values():
        assert_same(data, SIDE)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 7, 8, 9, 16])
@pytest.mark.parametrize("rest", [0, 1, 5])
def test_same_pixels_at_every_scale(factor, rest):
    """A JPEG at each reduced scale, sides that divide by it or not; a PNG by its averages."""
    side = 16
    scene = pictures.landscape(2 * side * factor + 30 + rest, 2 * side * factor + rest)
    for mode in ("L", "RGB"):
        for kind in ("JPEG", "PNG"):
            assert_same(pictures.encoded(scene.convert(mode), kind), side)


def test_who_decodes():
    """No fast path is lost unseen."""
    for name, data in PLAIN.items():
        codec = png.plain(data) or jpeg.baseline(data)
        assert codec is not None and codec.is_plain and codec.decoded(1) is not None, name
    for name, data in JUDGED.items():
        codec = jpeg.baseline(data)
        assert codec is not None and not codec.is_plain and codec.decoded(1) is not None, name
    for name, data in OTHERS.items():
        assert png.plain(data) is None and jpeg.baseline(data) is None, name


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_grey_stays_grey(kind):
    ndim = 3 if kind == "WEBP" else 2  # which has no grey
    assert open_picture(pictures.encoded(SCENE.convert("L"), kind), SIDE).ndim == ndim


def test_without_glibc_pillow_decodes_all(monkeypatch):
    monkeypatch.setattr("os.confstr_names", {})
    for data in PLAIN.values():
        assert_same(data, SIDE)


def test_other_formats_are_not_decoded():
    for kind, name in (("PNG", "grey-png"), ("JPEG", "RGB-jpeg")):
        others = tuple(other for other in ("PNG", "JPEG", "GIF") if other != kind)
        with pytest.raises(ValueError, match="not a picture"):
            open_picture(PLAIN[name], SIDE, formats=others)
