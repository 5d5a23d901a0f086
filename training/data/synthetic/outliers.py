"""Outliers: pictures that are not what a model was made for (docs/decisions/0008).

Familiarity learns to tell them apart. Drawn here, so that they need no download: blank paper, noise,
scribbles, letters and words, landscapes; and, for models that are not about them, drawn cars, digits and
clothing.
"""

import logging
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from models.image.decode import Picture
from models.image.views import View
from training.data.mnist import fashion_mnist, mnist
from training.data.splits import DataError, Examples
from training.data.synthetic.cache import cached
from training.data.synthetic.cars import draw, draw_model

log = logging.getLogger(__name__)

SIDE = 224
"""Pixels of a side of every drawing."""

LETTERS = "ABCDEFGHJKLMNPQRTUVWXYabdefhkmnprtuwy&%?!#@+=*"
"""Without the letters that look like a digit, such as I, O, S and Z."""

Draw = Callable[[np.random.Generator], Picture]


def draw_outliers(
    data: str, view: View, count: int, seed: int, root: Path = Path("data"), keep: bool = True
) -> dict[str, npt.NDArray[np.uint8]]:
    """About `count` pictures that do not belong to a data set, as `view` shows them.

    Drawn once and then read from root/cache (training/data/synthetic/cache.py).

    Args:
        data: Name of the data set.
        view: How pictures become pixels.
        count: Of all kinds together; at least one picture is drawn of each kind.
        seed: The same seed gives the same pictures.
        root: Folder of MNIST and Fashion-MNIST, which are left out where they cannot be fetched.
        keep: Write them to the cache.

    Returns:
        uint8 (n, H, W, C) for each kind of outlier, the same number of each.
    """
    sets = _other_sets(data, root)

    def draw_kinds() -> dict[str, npt.NDArray[np.uint8]]:
        rng = np.random.default_rng(seed)
        kinds: dict[str, Draw] = {
            "blank": blank, "noise": noise, "scribble": scribble, "letters": letters, "landscape": landscape,
        }  # fmt: skip
        if data not in ("cars", "drawn-cars"):
            kinds["drawn car"] = drawn_car
        kinds |= {kind: _enlarged(part.pixels) for kind, part in sets.items()}
        each = max(count // len(kinds), 1)
        return {kind: np.stack([view(new(rng)) for _ in range(each)]) for kind, new in kinds.items()}

    fingerprints = {kind: part.fingerprint for kind, part in sets.items()}
    return cached(root if keep else None, "outliers", (data, view, count, seed, fingerprints), draw_kinds)


def _other_sets(data: str, root: Path) -> dict[str, Examples]:
    """Training pictures of MNIST and Fashion-MNIST, by kind, except those of `data`."""
    sets = {}
    for name, kind, fetch in (("mnist", "digits", mnist), ("fashion-mnist", "clothing", fashion_mnist)):
        if name != data:
            try:
                sets[kind] = fetch(root).train
            except DataError as error:
                log.warning("familiarity is learned without %s: %s", name, error)
    return sets


def blank(rng: np.random.Generator) -> Picture:
    """A sheet of paper, lit evenly or from one side, with the grain of a sensor."""
    page = _paper(rng)
    return _grainy(page, rng, rng.choice([0.0, 1.0, 4.0]))


def noise(rng: np.random.Generator) -> Picture:
    """Random pixels, from single ones to soft clouds, in grey or in colour."""
    cells = int(rng.choice([4, 12, 28, 56, SIDE]))
    channels = int(rng.choice([1, 3]))
    small = rng.integers(0, 256, (cells, cells, channels), np.uint8)
    how = int(rng.choice([cv2.INTER_NEAREST, cv2.INTER_CUBIC]))
    large = cv2.resize(small, (SIDE, SIDE), interpolation=how).reshape(SIDE, SIDE, channels)
    return np.repeat(large, 3 // channels, axis=2)


def scribble(rng: np.random.Generator) -> Picture:
    """A few wild strokes of a pen."""
    image = Image.fromarray(_paper(rng))
    pen = ImageDraw.Draw(image)
    ink = _ink(rng, image)
    for _ in range(int(rng.integers(1, 6))):
        points = np.cumsum(rng.normal(0, rng.uniform(8, 40), (int(rng.integers(3, 30)), 2)), axis=0)
        points = points - points.mean(axis=0) + rng.uniform(0.3, 0.7, 2) * SIDE
        pen.line([tuple(point) for point in points], fill=ink, width=int(rng.integers(1, 12)), joint="curve")
    return _grainy(np.asarray(image), rng, 2.0)


def letters(rng: np.random.Generator) -> Picture:
    """One letter or a short word, slanted and bent like handwriting."""
    image = Image.fromarray(_paper(rng))
    length = int(rng.choice([1, 1, 1, 2, 5]))
    word = "".join(rng.choice(list(LETTERS), length))
    font = ImageFont.load_default(size=float(rng.uniform(0.5, 0.9) * SIDE / max(0.7 * length, 1)))
    stroke = int(rng.integers(0, 5))
    ImageDraw.Draw(image).text(
        (SIDE / 2, SIDE / 2), word, fill=_ink(rng, image), font=font, anchor="mm", stroke_width=stroke
    )
    bend = cv2.resize(
        rng.normal(0, 6, (4, 4, 2)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC
    )
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    slant = float(rng.uniform(-0.3, 0.3))
    bent = cv2.remap(
        np.asarray(image), x + bend[:, :, 0] + slant * (y - SIDE / 2), y + bend[:, :, 1],
        cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return _grainy(bent, rng, 2.0)


def landscape(rng: np.random.Generator) -> Picture:
    """Sky over hills: clouds of noise at several scales, coloured by height."""
    relief = np.zeros((SIDE, SIDE), np.float32)
    for cells in (2, 4, 8, 16, 32, 64):
        layer = rng.normal(0, 1 / cells, (cells, cells)).astype(np.float32)
        relief += cv2.resize(layer, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    down = np.linspace(0, 1, SIDE, dtype=np.float32)[:, None]
    ground = (down + 0.4 * relief > rng.uniform(0.3, 0.8))[:, :, None]
    sky, earth = rng.uniform(90, 255, 3), rng.uniform(20, 190, 3)
    light = (1 + 0.5 * relief[:, :, None]) * np.where(ground, earth, sky)
    return np.clip(light, 0, 255).astype(np.uint8)


def drawn_car(rng: np.random.Generator) -> Picture:
    """A car from its side (training/data/synthetic/cars.py)."""
    return np.asarray(draw(draw_model(rng), rng))


def _enlarged(pixels: npt.NDArray[np.uint8]) -> Draw:
    """Draws small grey pictures at the usual size, as they are or inverted."""

    def picture(rng: np.random.Generator) -> Picture:
        small = pixels[int(rng.integers(len(pixels)))]
        large = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)[:, :, None]
        return np.repeat(large if rng.random() < 0.5 else 255 - large, 3, axis=2)

    return picture


def _paper(rng: np.random.Generator) -> Picture:
    """An empty sheet, mostly light, tinted, and half of the time lit from one side."""
    shade = rng.uniform(150, 255) if rng.random() < 0.8 else rng.uniform(0, 60)
    slope = rng.uniform(-0.3, 0.3, 2)
    y, x = np.mgrid[-0.5 : 0.5 : SIDE * 1j, -0.5 : 0.5 : SIDE * 1j]
    light = 1 + (slope[0] * x + slope[1] * y if rng.random() < 0.5 else 0 * x)
    tint = shade * rng.uniform(0.9, 1, 3)
    return np.clip(tint * light[:, :, None], 0, 255).astype(np.uint8)


def _ink(rng: np.random.Generator, image: Image.Image) -> tuple[int, int, int]:
    """A colour that stands out from the paper."""
    dark_page = np.asarray(image).mean() < 100
    low, high = (150, 255) if dark_page else (0, 110)
    red, green, blue = (int(value) for value in rng.integers(low, high, 3))
    return red, green, blue


def _grainy(picture: Picture, rng: np.random.Generator, strength: float) -> Picture:
    """The picture with normal noise of a standard deviation of `strength` grey levels."""
    grain = rng.normal(0, 1, picture.shape) * strength
    return np.clip(picture + grain, 0, 255).astype(np.uint8)
