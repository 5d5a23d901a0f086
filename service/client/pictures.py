"""Pictures to send: found among files and folders, read, and shrunk where that is asked for."""

import io
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

STANDARD_INPUT = "-"

SUFFIXES = frozenset({
    ".apng", ".avif", ".bmp", ".dib", ".gif", ".heic", ".heics", ".heif", ".heifs", ".hif", ".jfif", ".jpe",
    ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp",
})  # fmt: skip
"""What looks like a picture in a folder; a file that is named is sent whatever its suffix."""

JPEG_QUALITY = 90

PALETTE = "P"
SHRINKABLE = frozenset({"1", "L", "LA", PALETTE, "PA", "RGB", "RGBA", "CMYK", "YCbCr"})
"""Pillow's modes of 8 bits at most; others are sent as they are."""


class UnreadablePicture(Exception):
    """A picture that cannot be sent; the message says why."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture that is still to be read.

    Attributes:
        name: As it stands in the results: a path as it was given, or -.
        content: Its bytes, where it came from standard input.
    """

    name: str
    content: bytes | None = None

    def read(self, max_side: int | None) -> bytes:
        """The bytes to send.

        Args:
            max_side: Pixels that the longer side keeps at most; None sends the file as it is.

        Raises:
            UnreadablePicture: There is no such file, or it may not be read.
        """
        content = self.content
        if content is None:
            try:
                content = Path(self.name).read_bytes()
            except OSError as error:
                raise UnreadablePicture(f"{error.strerror or error}.") from None
        if not content:
            raise UnreadablePicture("The file is empty.")
        return content if max_side is None else shrunk(content, max_side)


def find(paths: Iterable[str], standard_input: bytes | None) -> Iterator[Picture]:
    """Every picture of the paths, in their order; those of a folder, and of the folders in it, by name.

    Args:
        paths: Files, folders, or - for standard input.
        standard_input: What was read from there; None where it is not among the paths.
    """
    for path in paths:
        if path == STANDARD_INPUT:
            yield Picture(path, standard_input)
        elif Path(path).is_dir():
            yield from _in_folder(path)
        else:
            yield Picture(path)


def read_standard_input() -> bytes:
    """One picture's bytes."""
    return sys.stdin.buffer.read()


def _in_folder(folder: str) -> Iterator[Picture]:
    for root, folders, files in os.walk(folder):  # follows no links to folders, which may go round in circles
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Picture(str(Path(root, name)))


def shrunk(content: bytes, max_side: int) -> bytes:
    """The same picture upright, its longer side `max_side` pixels, as JPEG, or PNG if it is transparent.

    What is small enough, or is no picture that Pillow opens, stays as it is: the service says what is wrong.
    """
    try:
        with Image.open(io.BytesIO(content)) as opened:
            if max(opened.size) <= max_side or opened.mode not in SHRINKABLE:
                return content
            # A JPEG is decoded at a fraction of its size, still twice as large as what is wanted.
            opened.draft(None, (2 * max_side, 2 * max_side))
            profile = opened.info.get("icc_profile") if opened.mode != "CMYK" else None
            transparent = opened.has_transparency_data
            image: Image.Image = ImageOps.exif_transpose(opened)
            if transparent:
                image = image.convert("RGBA")
            elif image.mode != "L":
                image = image.convert("RGB")
            image.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
            target = io.BytesIO()
            image.save(target, "PNG" if transparent else "JPEG", quality=JPEG_QUALITY, icc_profile=profile)
            return target.getvalue()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return content
