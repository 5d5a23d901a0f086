"""The onnxruntime session of a model: opened on a device, verified, and warm before the first request.

On CUDA batches come in a few fixed sizes, each run once before the first request.
"""

import dataclasses
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort

from models.card import Outputs
from models.image.views import Pixels
from models.model import CPU, Model, ZooError, open_model_file, read_model_file
from models.onnx_file.file import FileStamp, OnnxFile
from service.inference.device import CUDA, Device, DeviceError, batch_size, choose_device
from service.inference.pipeline import Pipeline
from service.settings import Settings

TIMED_RUNS = 3
SLOW_S = 0.02
"""A model that takes longer for one picture is not timed again."""

log = logging.getLogger(__name__)


class BucketedModel(Model):
    """A model that runs only a few batch sizes: 1, 2, 4 and so on; batches in between are padded.

    On CUDA the first run of a size chooses kernels and takes memory, ten times as long as the others.
    Pixels go over the bus as uint8, from memory that is bound once per run together with the outputs.
    """

    def __call__(self, pixels: Pixels) -> Outputs:
        """Run the model.

        Args:
            pixels: uint8 of shape (N, H, W, C), as the card's view makes them; N >= 1.
        """
        count = len(pixels)
        size = 1 << (count - 1).bit_length()
        if size > count:
            pixels = np.concatenate([pixels, np.zeros((size - count, *pixels.shape[1:]), np.uint8)])
        binding = self.session.io_binding()
        binding.bind_cpu_input("pixels", np.ascontiguousarray(pixels))
        for name in self.card.outputs:
            binding.bind_output(name)
        self.session.run_with_iobinding(binding)
        outputs = binding.copy_outputs_to_cpu()
        return {name: values[:count] for name, values in zip(self.card.outputs, outputs, strict=True)}

    def warm_up(self, largest: int) -> None:
        """Run every size that a batch of up to `largest` pictures can have."""
        size = 1
        while size < 2 * largest:
            self(np.zeros((size, *self.card.view.shape), np.uint8))
            size *= 2


Refuse = Callable[[Path, ZooError], None]
"""Called with a bad file and what is wrong with it."""


def _raise(path: Path, error: ZooError) -> None:
    raise error


@dataclass(frozen=True)
class OpenModels:
    """Models that are open on a device."""

    device: Device
    models: tuple[Model, ...]


def open_models(
    paths: Sequence[Path], settings: Settings, refuse: Refuse = _raise, opened: OpenModels | None = None
) -> OpenModels:
    """Open, verify and warm up model files on the device that the settings ask for.

    Args:
        paths: The files, each named after its model.
        settings: The device, and the batch size to warm up for.
        refuse: Called for each bad file; by default its error is raised.
        opened: Models that are open already; those whose file has not changed are taken from here.

    Raises:
        ZooError: A file is bad.
        DeviceError: The device is not there.
    """
    if opened is None:
        # Workers and decoding threads are the parallelism; OpenCV's own threads would compete with them, and
        # a process that was forked from one with such threads waits for their lock for ever.
        cv2.setNumThreads(1)
    device = opened.device if opened else choose_device(settings.device)
    if device.reason and not opened:
        log.warning("Models run on the CPU: %s.", device.reason)
    known = {(model.path, model.stamp): model for model in opened.models} if opened else {}
    try:
        return OpenModels(device, tuple(_open_all(paths, device, settings, refuse, known)))
    except DeviceError as error:
        if settings.device != "auto":
            raise
        device = Device("cpu", (CPU,), str(error))
        return OpenModels(device, tuple(_open_all(paths, device, settings, refuse, {})))


def _open_all(
    paths: Sequence[Path],
    device: Device,
    settings: Settings,
    refuse: Refuse,
    known: Mapping[tuple[Path, FileStamp], Model],
) -> Iterator[Model]:
    for path in paths:
        try:
            model = known.get((path, FileStamp.of(path.stat()))) if known else None
            yield model or open_model_on(read_model_file(path), device, settings)
        except FileNotFoundError:
            continue  # it has gone since
        except ZooError as error:
            refuse(path, error)


def open_model_on(file: OnnxFile, device: Device, settings: Settings) -> Model:
    """Open, verify and warm up one file that was read.

    Raises:
        ZooError: The file is bad.
        DeviceError: The session would run elsewhere.
    """
    options = ort.SessionOptions()
    # Errors are raised as well; the service logs those, in one form and with the request's id.
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    model = open_model_file(file, device.providers, options)
    Pipeline(model, settings).warm_up()
    if device.name == "cpu":
        _shrink_arena(model)
        model = dataclasses.replace(model, run_s=_run_s(model))
    else:
        model = _warm_on_cuda(model, device, settings)
    log.info("%s, version %s, is ready on %s", model.card.name, model.card.version, device.name)
    return model


def _warm_on_cuda(model: Model, device: Device, settings: Settings) -> Model:
    used = model.session.get_providers()[0]
    if used != CUDA:
        # onnxruntime falls back silently where a CUDA library is missing.
        raise DeviceError(f"CUDA's libraries do not load: {model.path.name} would run on {used}")
    bucketed = BucketedModel(**vars(model))
    bucketed.warm_up(batch_size(model.card.view.shape, settings.max_batch_size, device))
    return bucketed


def _run_s(model: Model) -> float:
    """Seconds of CPU time of one picture: the best of a few runs, the first of a slow model."""
    pixels = np.zeros((1, *model.card.view.shape), np.uint8)
    best = math.inf
    for _ in range(TIMED_RUNS):
        start = time.process_time()
        model(pixels)
        best = min(best, time.process_time() - start)
        if best > SLOW_S:
            break
    return best


def _shrink_arena(model: Model) -> None:
    """Free what the arena keeps of its largest batch: all golden pictures, run when the file was opened."""
    options = ort.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    pixels = np.zeros((1, *model.card.view.shape), np.uint8)
    model.session.run(list(model.card.outputs), {"pixels": pixels}, options)
