"""Inside a served file: its weights by name, and what each of its layers makes of a picture."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort

from models.image.views import Pixels
from models.model import CPU, SUFFIX, ZOO

Array = npt.NDArray[np.float32]

BATCH = 250
"""Pictures that run through a network at a time: their maps of all layers stay below 50 MB."""


@dataclass(frozen=True)
class Layer:
    """One convolution of a served network with its activation.

    Attributes:
        output: Name of its maps in the graph, after the activation.
        weight: float32 (channels out, channels in, height, width).
        bias: float32 (channels out,).
        stride: Pixels from one of its positions to the next, of its own input.
        field: Side of the patch of the picture that one of its values depends on, in pixels.
        step: Pixels of the picture from one of its positions to the next.
    """

    output: str
    weight: Array
    bias: Array
    stride: int
    field: int
    step: int


class Served:
    """A file of the zoo, opened up."""

    def __init__(self, name: str, zoo: Path = ZOO) -> None:
        self._proto = onnx.load(zoo / (name + SUFFIX))
        self._nodes = self._proto.graph.node
        self.weights: dict[str, Array] = {
            weight.name: onnx.numpy_helper.to_array(weight) for weight in self._proto.graph.initializer
        }

    def weight(self, ending: str) -> Array:
        """The one weight whose name ends so."""
        (name,) = (name for name in self.weights if name.endswith(ending))
        return self.weights[name]

    @property
    def temperature(self) -> float:
        """What the scores are divided by before the softmax; 1 where the weights contain it already."""
        softmax = next(node for node in self._nodes if "probabilities" in node.output)
        before = next(node for node in self._nodes if softmax.input[0] in node.output)
        return float(self.weights[before.input[1]]) if before.op_type == "Div" else 1.0

    @property
    def convolutions(self) -> list[Layer]:
        """From the first to the last.

        The field grows by (kernel - 1) steps with each layer, and the step is multiplied by its stride.
        """
        layers, field, step = [], 1, 1
        for node in self._nodes:
            if node.op_type not in ("Conv", "MaxPool"):
                continue
            attributes = {attribute.name: list(attribute.ints) for attribute in node.attribute}
            weight = self.weights[node.input[1]] if node.op_type == "Conv" else None
            kernel = attributes["kernel_shape"][0] if weight is None else weight.shape[-1]
            stride = attributes.get("strides", [1])[0]
            field, step = field + (kernel - 1) * step, step * stride
            if weight is not None:
                relu = next(other for other in self._nodes if node.output[0] in other.input)
                bias = self.weights[node.input[2]]
                layers.append(Layer(relu.output[0], weight, bias, stride, field, step))
        return layers

    def outputs(self, op_type: str) -> list[str]:
        """Names of what the nodes of one kind compute, in the order of the graph."""
        return [node.output[0] for node in self._nodes if node.op_type == op_type]

    def run(self, pixels: Pixels, names: list[str]) -> list[Array]:
        """What the graph computes on the way, by name.

        Args:
            pixels: uint8 (N, H, W, C), as the model's view makes them.
            names: Of values in the graph, each (N, ...).
        """
        proto = onnx.ModelProto()
        proto.CopyFrom(self._proto)
        known = {output.name for output in proto.graph.output}
        proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
        session = ort.InferenceSession(proto.SerializeToString(), providers=[CPU])
        parts = [
            session.run(names, {"pixels": pixels[start : start + BATCH]})
            for start in range(0, len(pixels), BATCH)
        ]
        return [np.concatenate(values) for values in zip(*parts, strict=True)]

    @property
    def features(self) -> str:
        """Name of what the head gets, (N, F)."""
        head = next(node for node in self._nodes if any(name.endswith("head.weight") for name in node.input))
        return str(head.input[0])
