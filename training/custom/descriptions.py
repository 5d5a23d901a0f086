"""Descriptions: the features of each picture and of augmented views of it, computed once and kept."""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence, Set
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

BATCH_SIZE = 4
"""Pictures in one run of the trunk, with all their views: more are no faster and take memory."""

SAVED_EVERY = 512
"""Pictures in a file of the cache: what a crash may cost."""

Augment = Callable[[Tensor], Tensor]
Features = npt.NDArray[np.float16]


def describe_pictures(
    opened: Opened,
    describe: Describe,
    augment: Augment,
    key: tuple[object, ...],
    root: Path,
    fresh: bool = False,
) -> Features:
    """The features of VIEWS views of each picture; those of pictures that are known are read from the cache.

    Args:
        opened: N pictures.
        describe: The trunk.
        augment: Of float32 (1, C, H, W) in [0, 1], for the views from the third on.
        key: What decides the features apart from the pictures: the trunk and its view.
        root: The data folder.
        fresh: Describe them again, whatever an earlier run has kept.

    Returns:
        float16 (N, VIEWS, F).
    """
    name = hashlib.sha256(repr((VIEWS, key)).encode()).hexdigest()[:16]
    folder = root / "cache" / f"descriptions-{name}"
    known = {} if fresh else _read(folder, set(opened.digests))
    missing = [i for i, digest in enumerate(opened.digests) if digest not in known]
    features = _placed(known, opened.digests)
    known.clear()
    unsaved: list[int] = []
    for start in track(range(0, len(missing), BATCH_SIZE), "describing pictures", disable=not missing):
        batch = missing[start : start + BATCH_SIZE]
        views = [_views(opened.pixels[index], opened.digests[index], augment) for index in batch]
        rows = describe(np.concatenate(views)).astype(np.float16).reshape(len(batch), VIEWS, -1)
        if features is None:
            features = np.empty((len(opened.digests), *rows.shape[1:]), np.float16)
        features[batch] = rows
        unsaved += batch
        if len(unsaved) >= SAVED_EVERY or start + BATCH_SIZE >= len(missing):
            _write(folder, [opened.digests[index] for index in unsaved], features[unsaved])
            unsaved = []
    assert features is not None
    return features


def _placed(known: Mapping[str, Features], digests: Sequence[str]) -> Features | None:
    """A row for each picture, filled where it is known: collecting rows first would take the memory twice."""
    if not known:
        return None
    features = np.empty((len(digests), *next(iter(known.values())).shape), np.float16)
    for index, digest in enumerate(digests):
        if digest in known:
            features[index] = known[digest]
    return features


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


def _read(folder: Path, wanted: Set[str]) -> dict[str, Features]:
    """The wanted ones of those that earlier runs wrote, by digest; where there are several, the latest."""
    known: dict[str, Features] = {}
    # A name with a dot is a file that another run is writing.
    for path in sorted(folder.glob("[!.]*.npz"), key=lambda path: path.stat().st_mtime_ns):
        try:
            with path.open("rb") as file, np.load(file) as archive:
                digests = archive["digests"].tolist()
                if not wanted.isdisjoint(digests):
                    rows = zip(digests, archive["features"], strict=True)
                    known |= {digest: features for digest, features in rows if digest in wanted}
        except Exception as error:  # zipfile and NumPy raise half a dozen types for damaged files
            log.warning("%s is damaged; its pictures are described again: %s", path, error)
            path.unlink(missing_ok=True)
    return known


def _write(folder: Path, digests: Sequence[str], features: Features) -> None:
    """Write a file of its own, so that what earlier runs wrote is not written again."""
    name = hashlib.sha256("".join(digests).encode()).hexdigest()[:16]
    try:
        with replacing(folder / f"{name}.npz") as partial:
            np.savez(partial, digests=np.array(digests), features=features)
    except OSError as error:
        log.warning("%s takes no descriptions, so the next run makes them again: %s", folder, error)
