"""The onnxruntime session: on which device, and warm before anybody waits for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime as ort

from models.zoo import CPU, Model, Providers, open_model
from service.settings import Settings

CUDA = "CUDAExecutionProvider"

BATCH_VALUES = 1_500_000
"""Values (pixels times channels) in one batch: what a batch of 64 photos would take is a gigabyte of
activations, and on a CPU a third slower per picture than one by one (docs/benchmarks.md)."""


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
        return Device("cuda", (CUDA, CPU))
    if wanted == "cuda":
        raise DeviceError(f"GLIMPSE_DEVICE=cuda, but {reason}. Set it to auto or cpu, or mend that.")
    return Device("cpu", (CPU,), reason)


def batch_size(shape: tuple[int, int, int], limit: int) -> int:
    """Pictures of this shape in one batch: at most limit, fewer where they are large, at least one."""
    height, width, channels = shape
    return max(min(limit, BATCH_VALUES // (height * width * channels)), 1)


def open_sessions(paths: Sequence[Path], settings: Settings) -> tuple[Device, list[Model]]:
    """Open, verify and warm up model files on the device that the settings ask for.

    Raises ZooError where a file is bad, DeviceError where the device is not there.
    """
    device = choose_device(settings.device)
    try:
        return device, [_open(path, device, settings) for path in paths]
    except DeviceError as error:
        if settings.device != "auto":
            raise
        device = Device("cpu", (CPU,), str(error))
        return device, [_open(path, device, settings) for path in paths]


def _open(path: Path, device: Device, settings: Settings) -> Model:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    # Idle threads that spin would take the cores that decode pictures.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = open_model(path, device.providers, options)
    used = model.session.get_providers()[0]
    if used != device.providers[0]:
        # onnxruntime falls back without a word where a CUDA library is missing.
        raise DeviceError(f"CUDA's libraries do not load: {path.name} would run on {used}")
    # The first run of a shape sets up memory and, on CUDA, chooses kernels: nobody shall wait for that.
    largest = batch_size(model.card.view.shape, settings.max_batch_size)
    for count in (1, largest) if device.name == "cuda" else (1,):
        model(np.zeros((count, *model.card.view.shape), np.uint8))
    return model


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
