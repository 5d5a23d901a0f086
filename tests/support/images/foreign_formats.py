"""Files of formats that are not accepted, from Pillow and written by hand."""

from PIL import Image

from models.image.decode import FORMATS
from tests.support.images import pictures


def written_by_pillow() -> dict[str, bytes]:
    """A file of each format that Pillow writes and open_picture refuses."""
    Image.init()
    scene = pictures.landscape(64, 64)
    files = {}
    for kind in sorted(set(Image.SAVE) - {*FORMATS, "MPO"}):  # an MPO begins as a JPEG
        for mode in ("RGB", "P", "1"):
            try:
                files[kind.lower()] = pictures.encoded(scene.convert(mode), kind)
            except Exception:  # not in this mode, or not to memory
                continue
            break
    return files


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
