"""Broken files: Pillow's picture or Pillow's complaint, and nothing in the log."""

import ctypes
import subprocess
import sys
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests.hostile.files import png
from loadtests.server import REPO
from models.image.codecs import jpeg, opencv
from models.image.colour import Picture, in_colour
from models.image.decode import PictureError, open_picture
from tests.models.image.codecs import files
from tests.support.images import pictures

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

SCENE = pictures.landscape(60, 44)
FILES = files.plain(SCENE) | files.judged(SCENE)
PNGS = [data for name, data in FILES.items() if "png" in name and data.endswith(b"\xaeB`\x82")]
SIDES = st.sampled_from([6, 64])
CHANGES = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.one_of(st.just(255), st.just(0xD9), st.integers(0, 255))),
    max_size=6,
)


def changed(data: bytes, changes: list[tuple[float, int]]) -> bytes:
    other = bytearray(data)
    for position, value in changes:
        if other:
            other[int(position * len(other))] = value
    return bytes(other)


def outcome(open_file: Callable[[bytes, int], Picture], data: bytes, side: int) -> Picture | Exception:
    """The picture, or what was raised."""
    try:
        return open_file(data, side)
    except Exception as error:
        return error


def assert_as_pillow(data: bytes, side: int) -> None:
    """The same picture, or a refusal for the same reason."""
    theirs, ours = outcome(files.by_pillow, data, side), outcome(open_picture, data, side)
    if isinstance(ours, Exception):
        assert isinstance(ours, PictureError)
        # The oracle knows neither our limit of pixels nor our bounds on metadata.
        if ours.reason != "size" and "more blocks" not in str(ours):
            assert isinstance(theirs, Exception)
            assert ours.reason == "format" or str(theirs) in str(ours) or "object at 0x" in str(theirs)
    else:
        assert not isinstance(theirs, Exception), theirs
        assert in_colour(ours).shape == theirs.shape
        tolerance = 2 if data.startswith(jpeg.START) else 0
        assert np.abs(in_colour(ours).astype(int) - theirs).max() <= tolerance


@settings(max_examples=600)
@given(
    data=st.sampled_from(sorted(FILES.values())),
    changes=CHANGES,
    keep=st.one_of(st.just(1.0), st.floats(0, 1)),
    tail=st.sampled_from([b"", b"", b"\xff\xd9", b"\xff\xff\xd9", b"\0\xff\xd9\xff"]),
    side=SIDES,
)
def test_changed_and_truncated(data, changes, keep, tail, side):
    assert_as_pillow(changed(data, changes)[: round(keep * len(data))] + tail, side)


@settings(max_examples=400)
@given(
    data=st.sampled_from(PNGS),
    rows=CHANGES,
    deflated=CHANGES,
    length=st.integers(-400, 400),
    chunk=st.sampled_from([None, b"gAMA", b"tIME", b"tRNS", b"PLTE", b"bKGD", b"abCd", b"acTL", b"fcTL"]),
    size=st.sampled_from([0, 4, 6, 7, 8, 26, 768]),
    at=st.integers(1, 4),
    side=SIDES,
)
def test_png_with_right_checksums(data, rows, deflated, length, chunk, size, at, side):
    """What only a made-up file has: wrong filters, pixels missing or too many, odd chunks anywhere."""
    of = files.chunks(data)
    raw = zlib.decompress(b"".join(body for kind, body in of if kind == b"IDAT"))
    raw = changed(raw[:length] if length < 0 else raw + bytes(length), rows)
    middle = changed(zlib.compress(raw), deflated)
    parts = [(b"IDAT", middle[: len(middle) // 2]), (b"IDAT", middle[len(middle) // 2 :])]
    whole = [*(part for part in of if part[0] not in (b"IDAT", b"IEND")), *parts, (b"IEND", b"")]
    if chunk is not None:
        whole.insert(at, (chunk, bytes(size)))
    assert_as_pillow(files.joined(whole), side)


@pytest.mark.parametrize("more", range(-3, 4))
def test_end_of_a_long_scan(more, monkeypatch):
    """A marker across two of the blocks in which it is looked for."""
    data = pictures.encoded(SCENE, "JPEG")
    codec = jpeg.baseline(data)
    scan_start = data.index(b"\xff\xda") + 14
    monkeypatch.setattr(jpeg, "BLOCK_BYTES", len(data) - scan_start + more)

    assert codec == jpeg.baseline(data) is not None
    assert jpeg.baseline(data[:-1]) is jpeg.baseline(data[:-2] + b"\xff\xc4") is None


def test_truncated_by_every_byte():
    for name in ("grey-png", "L-restarts"):
        data = files.plain(pictures.landscape(24, 16))[name]
        for length in range(1, len(data)):
            assert_as_pillow(data[:length], 64)


NOISY = """
import ctypes, os, sys, threading
from pathlib import Path
from models.image.decode import PictureError, open_picture

def decode():
    for path in sorted(Path(sys.argv[1]).iterdir()):
        for _ in range(20):
            try:
                open_picture(path.read_bytes(), 64)
            except PictureError:
                pass

child = None

def decode_and_fork():
    global child
    decode()
    child = os.fork()  # while others decode
    decode()
    if child == 0:
        ctypes.CDLL(None).perror(b"C can still say")
        os._exit(0)

threads = [threading.Thread(target=target) for target in (decode_and_fork, decode, decode, decode)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
os.waitpid(child, 0)
ctypes.CDLL(None).perror(b"C can still say")
"""

ROWS = bytes((3 * 8 + 1) * 8)
ODD = {
    "filter": png(8, 8, pixels=zlib.compress(bytes([9] * len(ROWS)))),
    "too-much": png(8, 8, pixels=zlib.compress(ROWS + bytes(5_000))),
    "too-little": png(8, 8, pixels=zlib.compress(ROWS[:-30])),
    "checksum": png(8, 8, pixels=zlib.compress(ROWS)[:-1] + b"\0"),
    "scan": changed(pictures.encoded(SCENE, "JPEG"), [(0.8 + n / 100, 0x55) for n in range(15)]),
}
"""Files of which libpng and libjpeg print a line."""


def test_log_stays_empty(tmp_path):
    for name, data in ODD.items():
        (tmp_path / name).write_bytes(data)
    command = [sys.executable, "-W", "ignore", "-c", NOISY, tmp_path]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True)

    lines = done.stderr.splitlines()
    assert len(lines) == 2, lines
    assert all(line.startswith("C can still say") for line in lines)


def test_log_would_not_stay_empty(capfd):
    """Else the test above proves nothing."""
    for data in ODD.values():
        cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    ctypes.CDLL(None).fflush(None)

    assert capfd.readouterr().err.count("\n") >= len(ODD) - 1


def test_opencv_runs_out_of_memory(monkeypatch):
    def fails(*_: object) -> None:
        raise cv2.error("Insufficient memory")

    monkeypatch.setattr(opencv.cv2, "imdecode", fails)
    for data in FILES.values():
        assert_as_pillow(data, 64)
