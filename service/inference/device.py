"""The device: where sessions run, how many batches at once, and of what size.

On a CPU each session has one thread, and as many batches run at once as there are cores: threads within
one small convolution cost more than they gain, and decoding needs the cores too (docs/benchmarks.md).
"""

from dataclasses import dataclass

import onnxruntime as ort

from models.model import CPU, Providers
from service.cores import usable_cores

CUDA = "CUDAExecutionProvider"

CUDA_OPTIONS = {
    # Rounding inputs to ten bits would change the outputs beyond what the golden pictures tolerate.
    "use_tf32": "0",
    # The default, trying every algorithm for every shape, takes minutes at start.
    "cudnn_conv_algo_search": "HEURISTIC",
    # The default doubles the arena each time it grows, and never shrinks it.
    "arena_extend_strategy": "kSameAsRequested",
}

MAX_BATCH_VALUES = {"cpu": 160_000, "cuda": 1_500_000}
"""Values (pixels times channels) in one batch: a batch of 64 photos would take a gigabyte of activations. On
a CPU photos are no faster together than one by one, and each takes 8 MB (docs/log.md)."""


class DeviceError(Exception):
    """The device asked for is not there; the message says why and what to set."""


@dataclass(frozen=True)
class Device:
    """Where models run.

    Attributes:
        name: cpu or cuda.
        providers: Of onnxruntime, the preferred one first.
        reason: Why the CPU is used although CUDA was wanted; empty otherwise.
    """

    name: str
    providers: Providers
    reason: str = ""


def choose_device(wanted: str) -> Device:
    """The CPU, or CUDA where it is wanted and works.

    Args:
        wanted: auto, cpu or cuda.

    Raises:
        DeviceError: cuda is wanted and cannot work.
    """
    if wanted == "cpu":
        return Device("cpu", (CPU,))
    reason = _why_no_cuda()
    if not reason:
        return Device("cuda", ((CUDA, CUDA_OPTIONS), CPU))
    if wanted == "cuda":
        raise DeviceError(f"GLIMPSE_DEVICE=cuda, but {reason}. Set it to auto or cpu, or mend that.")
    return Device("cpu", (CPU,), reason)


def batches_in_flight(device: Device) -> int:
    """Batches that run at once: on a GPU one copies while the other computes, on a CPU one per core."""
    return 2 if device.name == "cuda" else usable_cores()


def batch_size(shape: tuple[int, int, int], limit: int, device: Device) -> int:
    """Pictures in one batch: at most `limit`, fewer where they are large, at least one.

    Args:
        shape: Height, width and channels of one picture's pixels.
        limit: Pictures in one batch, as the settings say.
        device: Where the batch runs.
    """
    height, width, channels = shape
    return max(min(limit, MAX_BATCH_VALUES[device.name] // (height * width * channels)), 1)


def _why_no_cuda() -> str:
    """Empty where CUDA works. A listed provider only means that it was compiled in."""
    if CUDA not in ort.get_available_providers():
        return "this onnxruntime was built without CUDA (onnxruntime-gpu has it)"
    if not _cuda_devices():
        return "no NVIDIA GPU was found"
    # Finds the CUDA and cuDNN libraries that pip installed beside onnxruntime.
    ort.preload_dlls()
    return ""


def _cuda_devices() -> int:
    """The number of GPUs, as the NVIDIA driver's own library counts them."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return 0
