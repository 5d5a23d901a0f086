"""The onnxruntime session: on which device, and warm before anybody waits for it.

On a CPU each session has one thread and as many batches run at once as there are cores: what threads
gain inside one small convolution they lose in waking each other, and decoding needs the cores too
(docs/benchmarks.md). On CUDA batches come in a few fixed sizes, each run once before the first request.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from models.card import Outputs
from models.image.views import Pixels
from models.model import CPU, Model, Providers, ZooError, open_model_file, read_model_file
from models.onnx_file.file import OnnxFile
from service.settings import Settings

CUDA = "CUDAExecutionProvider"

CUDA_OPTIONS = {
    # Rounding inputs to ten bits would move the answers: the golden pictures would tell.
    "use_tf32": "0",
    # Trying every algorithm for every shape takes minutes of a start (onnxruntime's default).
    "cudnn_conv_algo_search": "HEURISTIC",
    # The default doubles what it holds each time it needs more, and never gives it back.
    "arena_extend_strategy": "kSameAsRequested",
}

MAX_BATCH_VALUES = {"cpu": 160_000, "cuda": 1_500_000}
"""Values (pixels times channels) in one batch: a batch of 64 photos would take a gigabyte of activations. On
a CPU photos are no faster together than one by one, and each takes 8 MB (docs/log.md)."""


class DeviceError(Exception):
    """The device asked for is not there; the message says why and what to set."""


@dataclass(frozen=True)
class Device:
    """name: cpu or cuda. reason: why it is not what one might have hoped for; empty otherwise."""

    name: str
    providers: Providers
    reason: str = ""


def choose_device(wanted: str) -> Device:
    """The CPU, or CUDA where it is wanted and works.

    wanted: auto, cpu or cuda. Raises DeviceError where cuda is wanted and cannot work.
    """
    if wanted == "cpu":
        return Device("cpu", (CPU,))
    reason = _why_no_cuda()
    if not reason:
        return Device("cuda", ((CUDA, CUDA_OPTIONS), CPU))
    if wanted == "cuda":
        raise DeviceError(f"GLIMPSE_DEVICE=cuda, but {reason}. Set it to auto or cpu, or mend that.")
    return Device("cpu", (CPU,), reason)


class BucketedModel(Model):
    """A model that only ever sees batches of a few sizes: 1, 2, 4 and so on.

    On CUDA the first run of a size chooses kernels and takes memory, ten times as long as the others.
    Pixels go over the bus as uint8, from memory that is bound once per run together with the outputs.
    """

    def __call__(self, pixels: Pixels) -> Outputs:
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


def batches_in_flight(device: Device) -> int:
    """Batches that run at once: on a GPU one copies while the other computes, on a CPU one per core."""
    return 2 if device.name == "cuda" else os.cpu_count() or 1


def batch_size(shape: tuple[int, int, int], limit: int, device: Device) -> int:
    """Pictures of this shape in one batch: at most limit, fewer where they are large, at least one."""
    height, width, channels = shape
    return max(min(limit, MAX_BATCH_VALUES[device.name] // (height * width * channels)), 1)


Refuse = Callable[[Path, ZooError], None]


def _raise(path: Path, error: ZooError) -> None:
    raise error


def open_models(
    paths: Sequence[Path], settings: Settings, refuse: Refuse = _raise
) -> tuple[Device, list[Model]]:
    """Open, verify and warm up model files on the device that the settings ask for.

    refuse: called with each bad file and what is wrong with it; without it, that is raised.
    Raises ZooError where a file is bad, DeviceError where the device is not there.
    """
    device = choose_device(settings.device)
    try:
        return device, _opened(paths, device, settings, refuse)
    except DeviceError as error:
        if settings.device != "auto":
            raise
        device = Device("cpu", (CPU,), str(error))
        return device, _opened(paths, device, settings, refuse)


def _opened(paths: Sequence[Path], device: Device, settings: Settings, refuse: Refuse) -> list[Model]:
    models: list[Model] = []
    for path in paths:
        try:
            models.append(open_model_on(read_model_file(path), device, settings))
        except ZooError as error:
            refuse(path, error)
    return models


def open_model_on(file: OnnxFile, device: Device, settings: Settings) -> Model:
    """Open, verify and warm up one file that was read. Raises ZooError, or DeviceError where the session
    would run elsewhere."""
    options = ort.SessionOptions()
    # What goes wrong is raised as well, and logged by us: in one form, with the request it is about.
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    model = open_model_file(file, device.providers, options)
    if device.name == "cpu":
        _shrink(model)
        return model
    used = model.session.get_providers()[0]
    if used != CUDA:
        # onnxruntime falls back without a word where a CUDA library is missing.
        raise DeviceError(f"CUDA's libraries do not load: {file.path.name} would run on {used}")
    fixed = BucketedModel(**vars(model))
    fixed.warm_up(batch_size(model.card.view.shape, settings.max_batch_size, device))
    return fixed


def _shrink(model: Model) -> None:
    """onnxruntime's arena keeps what its largest batch took: the golden pictures, all at once."""
    options = ort.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    pixels = np.zeros((1, *model.card.view.shape), np.uint8)
    model.session.run(list(model.card.outputs), {"pixels": pixels}, options)


def _why_no_cuda() -> str:
    """Empty where CUDA works. The provider being listed only means that it was compiled in."""
    if CUDA not in ort.get_available_providers():
        return "this onnxruntime was built without CUDA (onnxruntime-gpu has it)"
    if not _cuda_devices():
        return "no NVIDIA GPU was found"
    # Finds the CUDA and cuDNN libraries that pip installed beside onnxruntime.
    ort.preload_dlls()
    return ""


def _cuda_devices() -> int:
    """How many GPUs the NVIDIA driver shows, asked through its own library."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return 0
