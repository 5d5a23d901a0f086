"""Formats that are not opened: Pillow could, but its plugins for them never see a byte."""

import io
import os
import subprocess
import sys

import pytest
from PIL import Image

from loadtests.server import REPO
from models.picture import FORMATS, PictureError, open_picture
from tests import pictures

SCENE = pictures.landscape(64, 64)

NEVER = """
import os, sys
from pathlib import Path
from PIL import Image
from models.picture import FORMATS, PictureError, open_picture

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


def written_by_pillow() -> dict[str, bytes]:
    Image.init()
    found = {}
    for kind in sorted(set(Image.SAVE) - {*FORMATS, "MPO"}):  # an MPO is a JPEG to begin with
        for mode in ("RGB", "P", "1"):
            try:
                SCENE.convert(mode).save(buffer := io.BytesIO(), kind)
            except Exception:  # not in this mode, or not into memory
                continue
            found[kind.lower()] = buffer.getvalue()
            break
    return found


FOREIGN = written_by_pillow() | {
    "svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>',
    "svg-entities": b'<!DOCTYPE s [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg>&a;</svg>',
    "ghostscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%touch harmed) (w) file\n",
    "psd": b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\0\x09\0\0\0\x09\0\x08\0\3",
    "fits": b"SIMPLE  =                    T".ljust(2880),
    "wmf": b"\xd7\xcd\xc6\x9a\0\0" + bytes(40),
    "emf": b"\1\0\0\0" + bytes(36) + b" EMF" + bytes(40),
    "fli": bytes(4) + b"\x11\xaf" + bytes(122),
    "pcd": bytes(2048) + b"PCD_" + bytes(100),
    "gd": b"\xff\xfe\0\x09\0\x09" + bytes(1100),
    "flac": b"fLaC" + bytes(60),
    "zip": b"PK\3\4" + bytes(60),
    "elf": b"\x7fELF" + bytes(60),
    "script": b"#!/bin/sh\ntouch harmed\n",
    "html": b"<!doctype html><img src=x onerror=alert(1)>",
    "imagemagick": b"push graphic-context\nimage over 0,0 0,0 'https://127.0.0.1/a.png'\n",
}


def test_pillow_writes_enough_of_them():
    assert {"eps", "pdf", "ico", "ppm", "tga", "jpeg2000", "pcx", "dds", "icns", "sgi", "xbm"} <= set(FOREIGN)


@pytest.mark.parametrize("name", FOREIGN)
def test_they_are_refused_as_no_picture(name):
    with pytest.raises(PictureError, match="not a picture") as refused:
        open_picture(FOREIGN[name], 28)

    assert refused.value.reason == "format"


def test_their_plugins_are_never_reached(tmp_path):
    """Every other plugin ends the process at its first look; and ghostscript, were it started, tells."""
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
        [sys.executable, "-c", NEVER, uploads], cwd=REPO, env=environment, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "started").exists()
    assert not (REPO / "harmed").exists()
