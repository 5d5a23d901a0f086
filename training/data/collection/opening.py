"""Opening the pictures of a collection: once, by all cores, by the code that opens uploads."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from rich.progress import track

from models.atomic import replacing
from models.image.colour import in_grey
from models.image.decode import PictureError, open_picture
from models.image.views import View
from training.data.collection.entries import Entry
from training.data.collection.pixels import Pixels, write_pixels

log = logging.getLogger(__name__)

THUMBNAIL = 32
"""Pixels of a side of what pictures are compared by."""

VERSION = 2
"""Of the cached files; a higher number opens all pictures again."""


@dataclass(frozen=True)
class Opened:
    """The pictures of some entries, each as a view shows it.

    Attributes:
        pixels: Those of a picture that does not open are 0.
        thumbnails: uint8 (N, 32, 32), grey, of the whole picture.
        digests: sha256 of each file, in hex.
        errors: What is wrong with each picture, empty where it opened.
    """

    pixels: Pixels
    thumbnails: npt.NDArray[np.uint8]
    digests: tuple[str, ...]
    errors: tuple[str, ...]

    def __getitem__(self, index: npt.NDArray[np.intp]) -> "Opened":
        return Opened(
            self.pixels.subset(index),
            self.thumbnails[index],
            tuple(self.digests[i] for i in index),
            tuple(self.errors[i] for i in index),
        )


def open_entries(
    entries: Sequence[Entry], view: View, root: Path, workers: int, fresh: bool = False
) -> Opened:
    """Open all pictures, or read what an earlier run opened.

    Args:
        entries: N of them.
        view: How pictures become pixels.
        root: The data folder; the pixels are kept in its folder cache, by their content and the view.
        workers: Threads.
        fresh: Open them again, whatever an earlier run has kept.
    """
    digests = tuple(hashlib.sha256(entry.file.read_bytes()).hexdigest() for entry in entries)
    key = hashlib.sha256(repr((VERSION, view, digests)).encode()).hexdigest()[:16]
    path = root / "cache" / f"pictures-{key}.npz"
    if not fresh and (kept := _read(path, digests)) is not None:
        return kept
    thumbnails = np.zeros((len(entries), THUMBNAIL, THUMBNAIL), np.uint8)
    errors = [""] * len(entries)

    def pictures() -> Iterator[npt.NDArray[np.uint8]]:
        """Each picture's pixels, in order."""
        with ThreadPoolExecutor(workers) as pool:
            opened = pool.map(partial(_open, view=view), [entry.file for entry in entries])
            for index, result in enumerate(track(opened, "opening pictures", len(entries))):
                if isinstance(result, str):
                    errors[index] = result
                    yield np.zeros(view.shape, np.uint8)
                else:
                    pixels, thumbnails[index] = result
                    yield pixels

    stored = path.with_suffix(".npy")
    try:
        with replacing(stored) as partial_pixels:
            write_pixels(partial_pixels, pictures(), (len(entries), *view.shape))
        with replacing(path) as partial_file:
            np.savez(partial_file, thumbnails=thumbnails, errors=np.array(errors))
    except OSError as error:
        log.warning("%s was not written, so the pictures are held in memory: %s", stored, error)
        return Opened(Pixels(np.stack(list(pictures()))), thumbnails, digests, tuple(errors))
    return Opened(Pixels(stored), thumbnails, digests, tuple(errors))


def _open(file: Path, view: View) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]] | str:
    try:
        picture = open_picture(file.read_bytes(), max(view.shorter_side, THUMBNAIL))
    except PictureError as error:
        return str(error)
    small = cv2.resize(in_grey(picture), (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return view(picture), small


def _read(path: Path, digests: tuple[str, ...]) -> Opened | None:
    """What an earlier run kept; None where there is nothing that can be used."""
    if not path.exists():
        return None
    try:
        with path.open("rb") as file, np.load(file) as archive:
            errors = tuple(str(error) for error in archive["errors"])
            return Opened(Pixels(path.with_suffix(".npy")), archive["thumbnails"], digests, errors)
    except Exception as error:  # zipfile and NumPy raise half a dozen types for damaged files
        log.warning("%s is damaged; the pictures are opened again: %s", path, error)
        return None
