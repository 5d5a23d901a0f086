"""Decoding: every format and mode of real uploads, and a reason for every refusal."""

import contextlib
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from models.image.decode import PictureError, open_picture
from tests.support.images import kinds, pictures

SCENE = pictures.landscape(120, 80)
SIDE = 64


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "HEIF", "AVIF"])
def test_formats(kind):
    picture = open_picture(pictures.encoded(SCENE, kind), SIDE)

    assert picture.shape == (80, 120, 3)
    assert np.abs(picture.astype(int) - np.asarray(SCENE)).mean() < 12


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_modes(mode):
    picture = open_picture(pictures.encoded(SCENE.convert(mode)), SIDE)

    assert picture.shape == ((80, 120) if mode in ("1", "L") else (80, 120, 3))
    assert picture.dtype == np.uint8


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32])
def test_deep_grey_is_stretched(dtype):
    ramp = np.tile(np.linspace(100, 4000, 30), (20, 1)).astype(dtype)

    picture = open_picture(pictures.encoded(Image.fromarray(ramp), "TIFF"), SIDE)

    assert picture.shape == (20, 30)
    assert (picture.min(), picture.max()) == (0, 255)


def test_cmyk_jpeg():
    assert open_picture(pictures.encoded(SCENE.convert("CMYK"), "JPEG"), SIDE).shape == (80, 120, 3)


@pytest.mark.parametrize("kind", kinds.DESCRIBED)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations(kind, orientation):
    upright = Image.new("RGB", (60, 40), (255, 255, 255))
    upright.paste((255, 0, 0), (0, 0, 30, 20))
    picture = open_picture(kinds.turned(upright, kind, orientation, quality=95), 600)

    assert picture.shape == (40, 60, 3)
    corners = [picture[y, x, 1] < 80 for y in (5, 34) for x in (5, 54)]
    assert corners == [True, False, False, False]


def test_dark_drawing_on_transparency_gets_white_paper():
    drawing = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    drawing.paste((0, 0, 0, 255), (10, 10, 20, 20))
    picture = open_picture(pictures.encoded(drawing), SIDE)

    assert picture[0, 0].tolist() == [255, 255, 255]
    assert picture[15, 15].tolist() == [0, 0, 0]


def test_light_drawing_on_transparency_gets_black_paper():
    drawing = Image.new("RGBA", (40, 40), (255, 255, 255, 0))
    drawing.paste((255, 255, 255, 255), (10, 10, 20, 20))
    picture = open_picture(pictures.encoded(drawing), SIDE)

    assert picture[0, 0].tolist() == [0, 0, 0]
    assert picture[15, 15].tolist() == [255, 255, 255]


def test_large_jpeg_decodes_at_reduced_scale():
    photo = pictures.encoded(pictures.landscape(1600, 1200), "JPEG")

    assert open_picture(photo, 64).shape == (150, 200, 3)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "content", id="empty"),
        pytest.param(b"seven", "format", id="text"),
        pytest.param(b"%PDF-1.7 a document", "format", id="pdf"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n", "format", id="unused-plugin"),
        pytest.param(pictures.encoded(SCENE)[:300], "content", id="truncated-png"),
        pytest.param(pictures.encoded(SCENE, "JPEG")[:-400], "content", id="truncated-jpeg"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "format", id="png-signature-only"),
    ],
)
def test_refusals(data, reason):
    with pytest.raises(PictureError) as refused:
        open_picture(data, SIDE)

    assert refused.value.reason == reason


def test_decompression_bomb_is_refused_by_its_header():
    """20,000 x 20,000 pixels in a small file: refused before any of it is inflated."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"not even deflated")

    with pytest.raises(PictureError, match="megapixels") as refused:
        open_picture(bomb, SIDE)

    assert refused.value.reason == "size"


@settings(max_examples=150)
@given(
    kind=st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"]),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=20),
    keep=st.floats(0.02, 1),
)
def test_damaged_files_open_or_are_refused(kind, changes, keep):
    data = bytearray(pictures.encoded(SCENE, kind))
    for position, value in changes:
        data[int(position * len(data))] = value
    with contextlib.suppress(PictureError):
        assert open_picture(bytes(data[: int(keep * len(data))]), SIDE).shape[2:] in ((), (3,))
