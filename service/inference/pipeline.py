"""The work on pictures, without any waiting: decode, view, session."""

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from models.card import Outputs
from models.image.decode import open_picture, pixel_count
from models.image.views import Pixels
from models.model import Model
from service.inference.queues.lanes import each
from service.settings import Settings

MAX_SMALL_BYTES = 64 * 2**10
MAX_SMALL_PIXELS = 2**19
"""A picture up to this size is small: decoding it and applying a view takes one or two milliseconds."""

MAX_FAST_S = 0.003
"""Seconds that a fast model takes for one picture, at most. No model file has loops, so what it took once it
takes for every picture."""

OUT_OF_MEMORY_MESSAGE = "Failed to allocate memory"
"""In the errors of onnxruntime's allocators, which have no exception type of their own."""


class ModelFailed(Exception):
    """The model raised, or returned no numbers, which `error` says."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class NotFinite(Exception):
    """The model returned NaN or infinity for a picture."""


@dataclass(slots=True)
class Prepared:
    """A picture's pixels, and the seconds that decoding and the view took."""

    pixels: Pixels
    decode_s: float
    view_s: float


@dataclass(slots=True)
class Answered:
    """A picture's outputs, and the seconds that its stages took; infer_s is that of the whole chunk."""

    outputs: Outputs
    decode_s: float
    view_s: float
    infer_s: float


class Pipeline:
    """What one model does with pictures. Every method is thread-safe."""

    def __init__(self, model: Model, settings: Settings) -> None:
        self._model = model
        self._view = model.card.view
        self._shorter_side = model.card.view.shorter_side
        self._max_pixels, self._formats = settings.max_pixels, settings.formats

    def close(self) -> None:
        """Free the model; nothing may be asked afterwards."""
        del self._model

    def is_small(self, data: bytes) -> bool:
        """Whether a picture can be prepared without holding up anything else."""
        if len(data) > MAX_SMALL_BYTES:
            return False
        pixels = pixel_count(data)
        return pixels is not None and pixels <= min(MAX_SMALL_PIXELS, self._max_pixels)

    @property
    def is_fast(self) -> bool:
        """Whether the model takes less time for a picture than handing it to a thread is worth."""
        return self._model.run_s <= MAX_FAST_S

    def warm_up(self) -> None:
        """Decode and view one picture of each usual format, which loads codecs and builds tables."""
        page = Image.effect_mandelbrot((640, 480), (-3, -2.5, 2, 2.5), 20)
        for kind in ("PNG", "JPEG"):
            page.save(data := io.BytesIO(), kind)
            self.prepare(data.getvalue())

    def prepare(self, data: bytes) -> Prepared:
        """The pixels of one picture.

        Raises:
            PictureError: The picture cannot be opened.
            MemoryError: There is not enough memory for it.
        """
        start = time.perf_counter()
        picture = open_picture(data, self._shorter_side, self._max_pixels, self._formats)
        decoded = time.perf_counter()
        return Prepared(self._view(picture), decoded - start, time.perf_counter() - decoded)

    def infer(self, batch: Sequence[Pixels]) -> list[Outputs | Exception]:
        """The outputs of each picture of a batch, NotFinite where they are no numbers.

        Raises:
            MemoryError: There is not enough memory for the batch.
            Exception: What onnxruntime raises.
        """
        outputs = self._run(np.stack(batch))
        rows: list[Outputs | Exception] = [
            {name: values[index] for name, values in outputs.items()} for index in range(len(batch))
        ]
        if not _is_finite(outputs):
            for index, row in enumerate(rows):
                if not _is_finite(row):  # type: ignore[arg-type]
                    rows[index] = self._not_finite()
        return rows

    def infer_block(self, pixels: Pixels) -> Outputs:
        """The outputs of pixels that belong together, uint8 (N, H, W, C), each (N, ...).

        Raises:
            MemoryError: There is not enough memory for them.
            NotFinite: Some outputs are no numbers.
            Exception: What onnxruntime raises.
        """
        outputs = self._run(pixels)
        if not _is_finite(outputs):
            raise self._not_finite()
        return outputs

    def _run(self, pixels: Pixels) -> Outputs:
        try:
            return self._model(pixels)
        except Exception as error:
            if OUT_OF_MEMORY_MESSAGE in str(error):
                raise MemoryError(str(error)) from error
            raise

    def _not_finite(self) -> NotFinite:
        return NotFinite(f"{self._model.card.name} returned no numbers for a picture")

    def answer(self, items: list[bytes]) -> list[Answered | Exception]:
        """The outputs of each of some small pictures, or what went wrong with it.

        An error of the model is a ModelFailed.
        """
        prepared = each(self.prepare)(items)
        ready = [one for one in prepared if isinstance(one, Prepared)]
        answers = iter(self._infer_ready(ready) if ready else [])
        return [next(answers) if isinstance(one, Prepared) else one for one in prepared]

    def _infer_ready(self, ready: list[Prepared]) -> list[Answered | Exception]:
        start = time.perf_counter()
        rows: list[Outputs | Exception]
        try:
            rows = self.infer([one.pixels for one in ready])
        except Exception as error:
            rows = [error] * len(ready)
        infer_s = time.perf_counter() - start
        return [
            ModelFailed(row)
            if isinstance(row, Exception)
            else Answered(row, one.decode_s, one.view_s, infer_s)
            for one, row in zip(ready, rows, strict=True)
        ]


def _is_finite(outputs: Outputs) -> bool:
    return all(bool(np.isfinite(values).all()) for values in outputs.values())
