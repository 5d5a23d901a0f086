"""What a model of a user's own pictures must not take for them: anything else that is at hand."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from rich.progress import track

from models.image.decode import Picture, open_picture
from models.image.views import View
from training.custom.descriptions import BATCH_SIZE
from training.custom.trunk import Describe
from training.data.synthetic.cache import cached
from training.data.synthetic.outliers import draw_outliers

PHOTOS = ("docs/car.jpg", "docs/seven.jpg")
"""Photos of this repository."""

MIN_CROP = 0.25
"""Of a photo's shorter side: smaller crops show textures that are in any photo."""

Pixels = npt.NDArray[np.uint8]


ANY_DATA = "own pictures"
"""Instead of a data set's name: no kind of outlier is left out for it."""


def describe_strangers(
    describe: Describe, key: tuple[object, ...], view: View, count: int, seed: int, root: Path
) -> dict[str, npt.NDArray[np.float16]]:
    """The features of about `count` pictures of other things, by kind, each float16 (n, F).

    They are the same for all models of a trunk and a view, and kept.

    Args:
        describe: The trunk.
        key: What decides the features apart from the pictures: the trunk and its view.
        view: How pictures become pixels.
        count: Of all kinds together.
        seed: The same seed gives the same pictures.
        root: The data folder.
    """

    def describe_all() -> dict[str, npt.NDArray[np.float16]]:
        kinds = strangers(view, count, seed, root)
        return {
            kind: np.concatenate(
                [describe(part) for part in np.split(pixels, range(BATCH_SIZE, len(pixels), BATCH_SIZE))]
            ).astype(np.float16)
            for kind, pixels in track(kinds.items(), "describing other things")
        }

    return cached(root, "strangers", (key, count, seed), describe_all)


def strangers(view: View, count: int, seed: int, root: Path) -> dict[str, Pixels]:
    """About `count` pictures of other things, as `view` shows them: uint8 (n, H, W, C) for each kind.

    Drawn ones (training/data/synthetic/outliers.py), and crops of the few photos that come with libraries and
    with this repository.
    """
    drawn = draw_outliers(ANY_DATA, view, count, seed, root, keep=False)
    rng = np.random.default_rng(seed)
    photos = sample_photos()
    chosen = rng.integers(len(photos), size=len(next(iter(drawn.values()))))
    return drawn | {"photos": np.stack([view(crop(photos[index], rng)) for index in chosen])}


def sample_photos() -> list[Picture]:
    """Photos that are installed with scikit-learn and matplotlib, and those of this repository."""
    from matplotlib.cbook import get_sample_data
    from sklearn.datasets import load_sample_images

    photos = [np.ascontiguousarray(photo) for photo in load_sample_images().images]
    with get_sample_data("grace_hopper.jpg") as file:
        photos.append(open_picture(file.read(), 512))
    here = Path(__file__).parents[2]
    photos += [open_picture((here / path).read_bytes(), 512) for path in PHOTOS if (here / path).exists()]
    return photos


def crop(photo: Picture, rng: np.random.Generator) -> Picture:
    """A part of a photo, of any place, size and aspect ratio, mirrored half of the time."""
    height, width = photo.shape[:2]
    side = min(height, width) * rng.uniform(MIN_CROP, 1.0)
    ratio = np.exp(rng.uniform(-0.3, 0.3))
    h, w = (int(min(side * ratio, height)), int(min(side / ratio, width)))
    top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
    part = photo[top : top + h, left : left + w]
    return np.ascontiguousarray(cv2.flip(part, 1) if rng.random() < 0.5 else part)
