"""Metadata of any kind: the picture opens, or is refused with a reason."""

import struct
import subprocess
import sys
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from loadtests.hostile.files import TINY_PX, jpeg, png, png_chunk
from loadtests.server import REPO
from models.image.bounded_reader import (
    MAX_EXIF_BLOCKS,
    MAX_UNCHECKED_BYTES,
    TooManyBlocks,
    check_tiff,
    open_bounded,
)
from models.image.decode import PictureError, open_picture
from tests.support.images import kinds, pictures

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

SIDE = 64
SCENE = pictures.landscape(120, 80)


@pytest.mark.parametrize("kind", kinds.DESCRIBED)
@pytest.mark.parametrize("profile", kinds.PROFILES.values(), ids=kinds.PROFILES)
def test_colour_profiles(kind, profile):
    data = pictures.encoded(SCENE, kind, icc_profile=profile)

    assert open_picture(data, SIDE).shape == (80, 120, 3)


@pytest.mark.parametrize(("kind", "exif"), kinds.WITH_BROKEN_EXIF)
def test_broken_exif(kind, exif):
    data = pictures.encoded(SCENE, kind, exif=kinds.BROKEN_EXIF[exif])

    assert open_picture(data, SIDE).shape == (80, 120, 3)


@pytest.mark.parametrize("value", [0, 9, 65_535])
def test_invalid_orientations(value):
    data = kinds.turned(SCENE, "JPEG", value)

    assert open_picture(data, SIDE).shape == (80, 120, 3)


@pytest.mark.parametrize("make", kinds.HEAVY.values(), ids=kinds.HEAVY)
def test_10_mb_of_metadata(make):
    data = make(SCENE)

    assert len(data) > 9 * 2**20
    assert open_picture(data, SIDE).shape == (80, 120, 3)


def test_warnings_are_neither_printed_nor_kept():
    """Python would print each of Pillow's warnings, and keep its text for good."""
    code = """
import sys
from PIL import TiffImagePlugin
from models.image.decode import open_picture
from loadtests.hostile.files import TINY_PX, png, png_chunk
for number in range(200):
    entry = number.to_bytes(2, "little") + b"\\7\\0\\xff\\0\\0\\0" + bytes([number]) * 4
    exif = png_chunk(b"eXIf", b"II*\\0\\x08\\0\\0\\0\\1\\0" + entry + bytes(4))
    open_picture(png(TINY_PX, TINY_PX, exif), 28)
kept = getattr(TiffImagePlugin, "__warningregistry__", {})
sys.exit(len(kept) > 1)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


def test_exif_in_many_segments():
    """Pillow joins segments one by one, copying all before; a megabyte is the limit."""
    segment = b"\xff\xe1\xff\xffExif\0\0" + bytes(65_527)

    assert open_picture(jpeg(TINY_PX, TINY_PX, segment * MAX_EXIF_BLOCKS), SIDE).shape == (8, 8, 3)
    with pytest.raises(PictureError, match="more blocks"):
        open_picture(jpeg(TINY_PX, TINY_PX, segment * (MAX_EXIF_BLOCKS + 1)), SIDE)


def test_exif_with_a_million_orientations():
    """Pillow would make a Python object of each."""
    count = 2**20
    block = b"II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x0112, 4, count, 26) + bytes(8 + 4 * count)

    with pytest.raises(TooManyBlocks):
        check_tiff(block, 1)
    tracemalloc.start()
    assert open_picture(png(TINY_PX, TINY_PX, png_chunk(b"eXIf", block)), SIDE).shape == (8, 8, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * len(block)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("big", "kind"), [(False, 4), (False, 13), (True, 16), (True, 18)])
def test_tiles_larger_than_any_picture(order, big, kind):
    """libtiff takes a side from an offset type (13, 18) as from a number (4, 16)."""
    mark = b"II" if order == "<" else b"MM"
    head = mark + struct.pack(
        order + ("HHHQQ" if big else "HIH"), *((43, 8, 0, 16, 2) if big else (42, 8, 2))
    )

    def directory(side: int) -> bytes:
        entry = order + ("HHQQ" if big else "HHII")
        return head + b"".join(struct.pack(entry, tag, kind, 1, side) for tag in (322, 323))

    check_tiff(directory(7_000), 50_000_000)
    with pytest.raises(TooManyBlocks):
        check_tiff(directory(7_100), 50_000_000)


def test_tall_tiff_with_a_strip_per_row():
    rows = Image.fromarray(np.arange(20_000, dtype=np.uint32).astype(np.uint8)[:, None])

    assert open_picture(pictures.encoded(rows, "TIFF", strip_size=1), SIDE).shape == (20_000, 1)


def test_small_files_are_read_unbounded():
    assert type(open_bounded(bytes(MAX_UNCHECKED_BYTES))).__module__ == "_io"
    large = open_bounded(bytes(MAX_UNCHECKED_BYTES + 1))
    with pytest.raises(TooManyBlocks):
        list(iter(lambda: large.read(1), b""))


def test_compressed_text_beyond_a_megabyte_is_refused():
    bomb = png(TINY_PX, TINY_PX, png_chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(2**21))))

    with pytest.raises(PictureError, match="too large") as refused:
        open_picture(bomb, SIDE)
    assert refused.value.reason == "content"
