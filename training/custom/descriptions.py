"""Descriptions: the features of each picture and of augmented views of it, computed once and kept."""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.progress import track
from torch import Tensor

from models.atomic import replacing
from training.custom.trunk import Describe
from training.data.collection.opening import Opened

log = logging.getLogger(__name__)

VIEWS = 4
"""Of each picture: as it is, mirrored, and two augmented ones."""

BATCH_SIZE = 16
SAVED_EVERY = 512
"""Pictures between two writes of the cache: what a crash may cost."""

Augment = Callable[[Tensor], Tensor]
Features = npt.NDArray[np.float16]


def describe_pictures(
    opened: Opened, describe: Describe, augment: Augment, key: tuple[object, ...], root: Path
) -> Features:
    """The features of VIEWS views of each picture; those of pictures that are known are read from the cache.

    Args:
        opened: N pictures.
        describe: The trunk.
        augment: Of float32 (1, C, H, W) in [0, 1], for the views from the third on.
        key: What decides the features apart from the pictures: the trunk and its view.
        root: The data folder.

    Returns:
        float16 (N, VIEWS, F).
    """
    name = hashlib.sha256(repr((VIEWS, key)).encode()).hexdigest()[:16]
    path = root / "cache" / f"descriptions-{name}.npz"
    known = _read(path)
    missing = [i for i, digest in enumerate(opened.digests) if digest not in known]
    unsaved = 0
    for start in track(range(0, len(missing), BATCH_SIZE), "describing pictures", disable=not missing):
        batch = missing[start : start + BATCH_SIZE]
        views = [_views(opened.pixels[index], opened.digests[index], augment) for index in batch]
        features = describe(np.concatenate(views)).astype(np.float16)
        for index, rows in zip(batch, features.reshape(len(batch), VIEWS, -1), strict=True):
            known[opened.digests[index]] = rows
        unsaved += len(batch)
        if unsaved >= SAVED_EVERY or start + BATCH_SIZE >= len(missing):
            _write(path, known)
            unsaved = 0
    return np.stack([known[digest] for digest in opened.digests])


def _views(pixels: npt.NDArray[np.uint8], digest: str, augment: Augment) -> npt.NDArray[np.uint8]:
    """uint8 (H, W, C) -> (VIEWS, H, W, C): the same views of the same picture, whatever else is described."""
    views = [pixels, pixels[:, ::-1]]
    picture = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float() / 255
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(digest[:8], 16))
        for _ in range(VIEWS - len(views)):
            changed = augment(picture)[0].permute(1, 2, 0)
            views.append((changed * 255).round().to(torch.uint8).numpy())
    return np.stack(views)


def _read(path: Path) -> dict[str, Features]:
    if not path.exists():
        return {}
    try:
        with path.open("rb") as file, np.load(file) as archive:
            digests, features = archive["digests"], archive["features"]
            return {str(digest): rows for digest, rows in zip(digests, features, strict=True)}
    except Exception as error:  # zipfile and NumPy raise half a dozen types for damaged files
        log.warning("%s is damaged; the pictures are described again: %s", path, error)
        return {}


def _write(path: Path, known: dict[str, Features]) -> None:
    try:
        with replacing(path) as partial:
            np.savez(partial, digests=np.array(list(known)), features=np.stack(list(known.values())))
    except OSError as error:
        log.warning("%s was not written, so the next run describes again: %s", path, error)
