"""A cache of drawn pictures in .npz files.

Drawing the 13,000 outliers of an export takes minutes, reading them a second. The files lie in the folder
cache of the data folder, which may be deleted at any time.
"""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import PIL

from models.atomic import replacing
from models.image import views

log = logging.getLogger(__name__)

Arrays = dict[str, npt.NDArray[Any]]

VERSION = 1
"""Of the files' layout; a higher number makes all files anew."""

CODE = "code"
"""Name of the entry beside the arrays: the digest of the code that drew them."""


def cached(
    root: Path | None, name: str, parameters: tuple[object, ...], draw: Callable[[], Arrays]
) -> Arrays:
    """What `draw` returns, read from a file if the same code wrote it before.

    A file that is damaged or that other code wrote is replaced. A failure to write is only logged.

    Args:
        root: The data folder; None draws anew and writes nothing.
        name: Start of the file's name.
        parameters: All that decides the arrays apart from the code; their repr goes into the file's name.
        draw: Returns arrays by name, none of them an array of objects.
    """
    if root is None:
        return draw()
    key = hashlib.sha256(repr((VERSION, *parameters)).encode()).hexdigest()[:16]
    path = root / "cache" / f"{name}-{key}.npz"
    code = _code_digest()
    arrays = _read(path, code)
    if arrays is None:
        arrays = draw()
        try:
            with replacing(path) as partial:
                np.savez(partial, **{CODE: np.array(code)}, **arrays)
        except OSError as error:
            log.warning("%s was not written, so the next run draws again: %s", path, error)
    return arrays


def _read(path: Path, code: str) -> Arrays | None:
    """The arrays of a file; None where there is none that can be used."""
    if not path.exists():
        return None
    try:
        # Opened here: np.load leaves damaged files open.
        with path.open("rb") as file, np.load(file) as archive:
            if archive[CODE].item() != code:
                return None
            return {name: archive[name] for name in archive.files if name != CODE}
    except Exception as error:  # zipfile, zlib and NumPy raise half a dozen types for damaged files
        log.warning("%s is damaged and drawn again: %s", path, error)
        return None


def _code_digest() -> str:
    """sha256 over the source of views and drawings, and over library versions."""
    digest = hashlib.sha256(repr((np.__version__, cv2.__version__, PIL.__version__)).encode())
    for folder in (Path(views.__file__).parent, Path(__file__).parent):
        for file in sorted(folder.glob("*.py")):
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()
