"""The picture store: uploads beside the prediction log, each once, in a file named by its sha256."""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from models.atomic import write_atomically
from models.prediction_record import PICTURES_FOLDER


class PictureStore:
    """Uploads on disk, within a limit.

    Args:
        folder: Of the prediction log.
        max_bytes: Of all pictures together.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder / PICTURES_FOLDER
        self._free_bytes = max_bytes
        with suppress(OSError), os.scandir(self._folder) as files:
            self._free_bytes -= sum(file.stat().st_size for file in files)

    def keep(self, data: bytes) -> str:
        """Keep a picture and return its sha256, in hex.

        Raises:
            OSError: The limit is reached, or the disk does not take it.
        """
        name = hashlib.sha256(data).hexdigest()
        path = self._folder / name
        if path.exists():
            return name
        if len(data) > self._free_bytes:
            raise OSError("GLIMPSE_LOG_PICTURES_BYTES are full; archive the folder pictures and restart")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(path, data)
        self._free_bytes -= len(data)
        return name
