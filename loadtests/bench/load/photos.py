"""Photos of 12 megapixels, the size that a phone takes."""

import io

import numpy as np
from PIL import Image, ImageOps

from loadtests import pictures
from loadtests.pictures import Upload

SIZE = (4000, 3000)
GRAIN_SIGMA = 6.0
"""Standard deviation of the sensor noise, of 255: at quality 90 it makes files of 3 to 4 MB."""


def twelve_megapixels(count: int) -> list[Upload]:
    """The cars of loadtests.pictures, enlarged and with sensor noise."""
    cars = pictures.cars()
    chosen = cars[:: max(len(cars) // count, 1)][:count]
    # One noise for all: drawing 36 million numbers takes longer than everything else.
    grain = np.random.default_rng(0).normal(0, GRAIN_SIGMA, (SIZE[1], SIZE[0], 1)).astype(np.float32)
    return [_enlarged(car, grain) for car in chosen]


def _enlarged(car: Upload, grain: np.ndarray) -> Upload:
    with Image.open(io.BytesIO(car.content)) as image:
        large = ImageOps.fit(image.convert("RGB"), SIZE, Image.Resampling.BICUBIC)
    noisy = np.clip(np.asarray(large, np.float32) + grain, 0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noisy).save(buffer, "JPEG", quality=90)
    return Upload(f"large-{car.name}", buffer.getvalue(), "image/jpeg")
