"""Where a network is trained, and in which precision."""

import torch
from torch import nn


def best_device() -> torch.device:
    """CUDA where there is a GPU, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def half_precision(device: torch.device, trained: nn.Module | None = None) -> torch.autocast:
    """bfloat16 where the machine has it: convolutions then take 0.6 of the time (docs/log.md).

    Args:
        device: Where the network runs.
        trained: The network that runs forwards and backwards; None for forwards only. On a CPU a network with
            depthwise convolutions is trained in float32: backwards they take twice as long in bfloat16.
    """
    if device.type == "cuda":
        return torch.autocast("cuda", torch.bfloat16, enabled=torch.cuda.is_bf16_supported())
    supported = bool(torch.cpu.get_capabilities().get("avx512_bf16", False))
    layers = () if trained is None else trained.modules()
    depthwise = any(isinstance(layer, nn.Conv2d) and layer.groups > 1 for layer in layers)
    return torch.autocast("cpu", torch.bfloat16, enabled=supported and not depthwise)
