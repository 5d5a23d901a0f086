"""A user's own pictures to measure a model on: a labelled table, a folder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rich.progress import track

from models.image.decode import PictureError, open_picture
from models.image.views import View
from training.data.collection.read import SUFFIXES, read_collection
from training.data.splits import DataError, Examples


def labelled(table: Path, labels: Sequence[str], view: View) -> Examples:
    """The pictures of a CSV file with the columns file (relative to it) and label.

    Returns:
        Pixels as `view` shows them; targets are indices into `labels`.

    Raises:
        DataError: A column is missing, a file does not open, or a label is not in `labels`.
    """
    if not table.is_file():
        raise DataError(f"There is no table {table}.")
    collection = read_collection(table)
    if collection.findings:
        raise DataError(f"{collection.findings[0].what}.")
    unknown = sorted(set(collection.labels) - set(labels))
    if unknown:
        raise DataError(f"{table} has labels the model does not know: {', '.join(unknown[:10])}.")
    entries = collection.entries
    pixels = [_viewed(entry.file, view) for entry in track(entries, "reading pictures")]
    return Examples(np.stack(pixels), np.array([labels.index(entry.label) for entry in entries]))


def folder(path: Path, view: View, most: int = 500) -> npt.NDArray[np.uint8]:
    """Up to `most` pictures of a folder and its subfolders, every n-th by name.

    Returns:
        uint8 (n, H, W, C), as `view` shows them.

    Raises:
        DataError: There are no pictures, or one does not open.
    """
    files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
    if not files:
        raise DataError(f"There are no pictures in {path}.")
    chosen = files[:: -(-len(files) // most)]
    return np.stack([_viewed(file, view) for file in track(chosen, "reading pictures")])


def _viewed(file: Path, view: View) -> npt.NDArray[np.uint8]:
    try:
        return view(open_picture(file.read_bytes(), view.shorter_side))
    except (OSError, PictureError) as error:
        raise DataError(f"{file}: {error}") from None
