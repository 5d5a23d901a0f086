"""The trunk: a pretrained network without its last layer, which describes any picture."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn

from models.atomic import replacing
from models.image.views import View
from models.model import CPU
from training.custom.tuning.tail import Tail
from training.data.splits import DataError
from training.export import onnx_graph
from training.export.verification import TOLERANCE, check_outputs
from training.networks import efficientnet
from training.networks.architectures import to_float
from training.networks.pyramid import Intermediates, Pyramid, Stages

LITE2 = "efficientnet-lite2"

TRIED_SIDE = 224
"""Pixels of a side of the picture that widths are found with: what transformers insist on."""

GRAPH = 2
"""Counts the ways in which the graph was written: one of an older way is not read."""

Describe = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]
"""Pixels uint8 (N, H, W, 3) -> features float32 (N, F)."""


@dataclass(frozen=True)
class Trunk:
    """A pretrained network without its classifier.

    Attributes:
        name: As the command line takes it.
        body: Normalised pictures float32 (N, 3, H, W) -> features (N, sum(body.widths)).
        mean: Of each colour, subtracted from pictures in [0, 1].
        std: Of each colour, divides them.
    """

    name: str
    body: Pyramid
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @staticmethod
    def load(name: str, root: Path) -> "Trunk":
        """The trunk with its pretrained weights.

        Args:
            name: LITE2, whose weights install from a package, or a network of timm, which fetches them.
            root: The data folder.

        Raises:
            DataError: There is no such network, or its weights cannot be fetched.
        """
        if name == LITE2:
            return Trunk(name, Pyramid(efficientnet.lite2_stages(root)), efficientnet.MEAN, efficientnet.STD)
        import timm  # takes a second to load

        try:
            network = timm.create_model(name, pretrained=True, num_classes=0)
        except Exception as error:  # timm, huggingface_hub and their HTTP clients raise a dozen types
            raise DataError(
                f"--trunk {name}: timm has no such network, or cannot fetch it: {error}"
            ) from None
        config = network.pretrained_cfg
        return Trunk(name, Pyramid(Intermediates(network), TRIED_SIDE), config["mean"], config["std"])

    def describe(self, view: View, root: Path, threads: int, maps: bool = False) -> Describe:
        """The trunk in onnxruntime, which on a CPU takes a third of torch's time.

        Args:
            view: Of the pixels.
            root: The data folder; the graph is kept in its folder cache.
            threads: To run it with.
            maps: The numbers of the maps before the last stage follow the features.

        Raises:
            ExportError: The graph's features differ from torch's.
        """
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        # TensorRT and the like would compile for minutes.
        wanted = ["CUDAExecutionProvider"] if torch.cuda.is_available() else []
        session = ort.InferenceSession(self._file(view, root, maps), options, providers=[*wanted, CPU])
        return lambda pixels: session.run(["features"], {"pixels": pixels})[0]  # type: ignore[no-any-return]

    def graph(self, view: View, root: Path, maps: bool = False) -> onnx.ModelProto:
        """What `describe` runs, with weights in half precision: pixels -> features."""
        return onnx.load(self._file(view, root, maps))

    @property
    def is_cut(self) -> bool:
        """Whether it has a last stage that can be fine-tuned."""
        return isinstance(self.body.network, Stages)

    @torch.no_grad()
    def tail(self, view: View) -> Tail:
        """A copy of the last stage and what follows it, which takes maps as `describe` gives them."""
        assert isinstance(self.body.network, Stages)
        _, maps = self.body.with_maps(torch.zeros(1, 3, *view.shape[:2]))
        return Tail(self.body.network.tail(), tuple(maps.shape[1:]))

    @cached_property
    def digest(self) -> str:
        """The sha256 over all that decides the features of a picture but its view."""
        digest = hashlib.sha256(repr((self.name, self.body.widths, self.mean, self.std)).encode())
        for name, value in sorted(self.body.state_dict().items()):
            digest.update(name.encode() + value.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def _file(self, view: View, root: Path, maps: bool) -> Path:
        kind = (GRAPH, self.digest, view.shape, *(["maps"] if maps else []))
        key = hashlib.sha256(repr(kind).encode()).hexdigest()[:16]
        path = root / "cache" / f"trunk-{key}.onnx"
        if not path.exists():
            module = _Described(self, maps)
            pixels = np.random.default_rng(0).integers(0, 256, (2, *view.shape), np.uint8)
            graph = onnx_graph.trace_part(module, torch.from_numpy(pixels), "pixels", ["features"])
            with torch.no_grad():
                expected = {"features": module(torch.from_numpy(pixels)).numpy()}
            with replacing(path) as partial:
                onnx.save_model(graph, partial)
                found = ort.InferenceSession(partial, providers=[CPU]).run(["features"], {"pixels": pixels})
                check_outputs({"features": found[0]}, expected, TOLERANCE)
                # Pictures are described with what the file of a model will hold.
                onnx_graph.halve(graph)
                onnx.save_model(graph, partial)
        return path


class _Described(nn.Module):
    """uint8 (N, H, W, 3) -> float32 (N, F), or with the numbers of the maps (N, F + C * H' * W')."""

    mean: Tensor
    std: Tensor

    def __init__(self, trunk: Trunk, maps: bool) -> None:
        super().__init__()
        self.maps = maps
        self.body = trunk.body
        self.register_buffer("mean", torch.tensor(trunk.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(trunk.std).view(1, -1, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        pictures = to_float(pixels)
        if pictures.shape[1] == 1:
            pictures = pictures.expand(-1, 3, -1, -1)
        pictures = (pictures - self.mean) / self.std
        features: Tensor
        if not self.maps:
            features = self.body(pictures)
            return features
        features, maps = self.body.with_maps(pictures)
        return torch.cat([features, maps.flatten(1)], dim=1)


class Behind(nn.Module):
    """A head behind the trunk as onnxruntime runs it: pixels uint8 (N, H, W, C) -> what the head gives."""

    def __init__(self, describe: Describe, head: nn.Module) -> None:
        super().__init__()
        self.describe, self.head = describe, head

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """What the written file gives."""
        outputs: tuple[Tensor, ...] = self.head(torch.from_numpy(self.describe(pixels.numpy())))
        return outputs
