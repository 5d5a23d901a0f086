"""Formats that are not accepted: Pillow's plugins for them never see a byte."""

import os
import subprocess
import sys

import pytest

from loadtests.server import REPO
from models.image.decode import PictureError, open_picture
from tests.support.images import pictures
from tests.support.images.foreign_formats import FOREIGN

OPEN_WITH_ALARMED_PLUGINS = """
import os, sys
from pathlib import Path
from PIL import Image
from models.image.decode import FORMATS, PictureError, open_picture

Image.init()

def reached(*arguments):
    os._exit(99)

for name in set(Image.OPEN) - set(FORMATS):
    Image.OPEN[name] = reached, reached
for path in sorted(Path(sys.argv[1]).iterdir()):
    try:
        open_picture(path.read_bytes(), 28)
    except PictureError as error:
        assert error.reason == "format", (path, error.reason)
    else:
        raise AssertionError(path)
"""


def test_enough_formats_are_covered():
    assert {"eps", "pdf", "ico", "ppm", "tga", "jpeg2000", "pcx", "dds", "icns", "sgi", "xbm"} <= set(FOREIGN)


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_formats_are_refused(name):
    with pytest.raises(PictureError, match="not a picture") as refused:
        open_picture(FOREIGN[name], 28)

    assert refused.value.reason == "format"


def test_foreign_plugins_never_run(tmp_path):
    """Every other plugin would end the process, an external program leave a file."""
    uploads, programs = tmp_path / "uploads", tmp_path / "programs"
    uploads.mkdir()
    programs.mkdir()
    for name, data in FOREIGN.items():
        (uploads / name).write_bytes(data)
    for program in ("gs", "gswin64c", "djpeg", "convert"):
        (programs / program).write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
        (programs / program).chmod(0o755)
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-c", OPEN_WITH_ALARMED_PLUGINS, uploads],
        cwd=REPO,
        env=environment,
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "started").exists()
    assert not (REPO / "harmed").exists()


OPEN_AND_LIST_PLUGINS = """
import sys
from PIL import Image
from models.image.decode import FORMATS, PictureError, open_picture

open_picture(sys.stdin.buffer.read(), 28)
assert set(FORMATS) <= set(Image.OPEN), set(FORMATS) - set(Image.OPEN)
try:
    open_picture(b"no picture", 28)
except PictureError:
    pass
assert "EPS" not in Image.OPEN
"""


def test_only_accepted_plugins_are_imported():
    """All of them at the first picture: a later import may lack memory, for good."""
    picture = pictures.encoded(pictures.digit())
    subprocess.run([sys.executable, "-c", OPEN_AND_LIST_PLUGINS], cwd=REPO, input=picture, check=True)
