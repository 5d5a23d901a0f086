"""The trunk: a pretrained network without its last layer, which describes any picture."""

import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch
from torch import Tensor, nn

from models.atomic import replacing
from models.image.views import View
from training.data.splits import DataError
from training.networks import efficientnet
from training.networks.architectures import to_float
from training.networks.pyramid import Intermediates, Pyramid

LITE2 = "efficientnet-lite2"

TRIED_SIDE = 224
"""Pixels of a side of the picture that widths are found with: what transformers insist on."""

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

    def describe(self, view: View, root: Path, threads: int) -> Describe:
        """The trunk in onnxruntime, which on a CPU takes a third of torch's time.

        Args:
            view: Of the pixels.
            root: The data folder; the graph is kept in its folder cache.
            threads: To run it with.
        """
        key = hashlib.sha256(repr((self.digest, view.shape)).encode()).hexdigest()[:16]
        path = root / "cache" / f"trunk-{key}.onnx"
        if not path.exists():
            with replacing(path) as partial:
                self._write(view, partial)
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        # TensorRT and the like would compile for minutes.
        wanted = ["CUDAExecutionProvider"] if torch.cuda.is_available() else []
        providers = [*wanted, "CPUExecutionProvider"]
        session = ort.InferenceSession(path, options, providers=providers)
        return lambda pixels: session.run(["features"], {"pixels": pixels})[0]  # type: ignore[no-any-return]

    @cached_property
    def digest(self) -> str:
        """The sha256 over all that decides the features of a picture but its view."""
        digest = hashlib.sha256(repr((self.name, self.body.widths, self.mean, self.std)).encode())
        for name, value in sorted(self.body.state_dict().items()):
            digest.update(name.encode() + value.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def _write(self, view: View, path: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # deprecations inside the exporter
            torch.onnx.export(
                _Described(self), (torch.zeros((2, *view.shape), dtype=torch.uint8),), path, dynamo=True,
                verbose=False, input_names=["pixels"], output_names=["features"],
                dynamic_shapes=({0: torch.export.Dim("batch")},), external_data=False,
            )  # fmt: skip


class _Described(nn.Module):
    """uint8 (N, H, W, 3) -> float32 (N, F)."""

    mean: Tensor
    std: Tensor

    def __init__(self, trunk: Trunk) -> None:
        super().__init__()
        self.body = trunk.body
        self.register_buffer("mean", torch.tensor(trunk.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(trunk.std).view(1, -1, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        pictures = to_float(pixels)
        if pictures.shape[1] == 1:
            pictures = pictures.expand(-1, 3, -1, -1)
        features: Tensor = self.body((pictures - self.mean) / self.std)
        return features
