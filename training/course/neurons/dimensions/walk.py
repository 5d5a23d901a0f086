"""A batch on its way through a served network: the shape after each layer, and what the layer costs.

The shapes come from ONNX's own shape inference, so nothing runs and a batch may be of any size.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
from onnx import GraphProto, NodeProto, helper, shape_inference

LAYERS = {"Conv": "convolution", "Gemm": "linear", "MatMul": "product", "BatchNormalization": "batch norm"}
"""Nodes with weights, as the lectures call them; a product is one with a constant matrix."""

MAX_ROWS = 24
"""Of a walk, before layers that keep height and width are put into one row."""


@dataclass(frozen=True)
class Step:
    """One row of a walk.

    Attributes:
        what: The layer, with the activation behind it.
        shape: Of its output, the batch first.
        parameters: Learned numbers.
        multiplications: With weights, for one picture.
        layers: How many layers with weights this is.
    """

    what: str
    shape: tuple[int, ...]
    parameters: int = 0
    multiplications: int = 0
    layers: int = 0


def walk(path: Path, batch: int) -> list[Step]:
    """From the input of a model file to its first output; what only feeds other outputs is left out."""
    graph = with_shapes(path, batch).graph
    shapes = shapes_of(graph)
    constants = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    steps = [Step("input", shapes[graph.input[0].name])]
    for node in main_path(graph):
        # Weights stored as float16, and matrices that are transposed first, are constants too.
        if node.op_type in ("Cast", "Transpose") and node.input[0] in constants:
            constants[node.output[0]] = shapes[node.output[0]]
            continue
        step = _step(node, shapes[node.output[0]], [constants.get(name) for name in node.input])
        last = steps[-1]
        if not step.layers and step.shape == last.shape and len(steps) > 1:
            if step.what not in last.what.split(", "):
                steps[-1] = replace(last, what=f"{last.what}, {step.what}")
        else:
            steps.append(step)
    return steps


def with_shapes(path: Path, batch: int) -> onnx.ModelProto:
    """The model of a file with the shapes of all its values inferred for a batch."""
    model = onnx.load(str(path))
    del model.graph.value_info[:]  # they say "batch" where a number is asked for
    for value in model.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = batch
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    return shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)


def shapes_of(graph: GraphProto) -> dict[str, tuple[int, ...]]:
    """The shape of every value by name."""
    return {
        value.name: tuple(size.dim_value for size in value.type.tensor_type.shape.dim)
        for value in (*graph.input, *graph.value_info, *graph.output)
    }


def main_path(graph: GraphProto) -> list[NodeProto]:
    """The nodes that the first output is made of, in order."""
    wanted = {graph.output[0].name}
    nodes = []
    for node in reversed(graph.node):
        if wanted.intersection(node.output):
            wanted.update(node.input)
            nodes.append(node)
    return nodes[::-1]


def _step(node: NodeProto, shape: tuple[int, ...], inputs: list[tuple[int, ...] | None]) -> Step:
    weights = inputs[1] if len(inputs) > 1 else None
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type not in LAYERS or weights is None:
        return Step(_name(node, attributes), shape)
    learned = inputs[1:3]  # of a batch norm, scale and shift; its mean and variance are measured
    parameters = sum(math.prod(size) for size in learned if size is not None)
    what = LAYERS[node.op_type]
    if node.op_type == "Conv":
        kernel = " x ".join(map(str, weights[2:]))
        grouped = "depthwise " if attributes.get("group", 1) > 1 else ""
        stride = attributes.get("strides", [1])[0]
        what = f"{grouped}{what} {kernel}" + (f" by {stride}" if stride > 1 else "")
        work = math.prod(shape[1:]) * math.prod(weights[1:])
    elif node.op_type == "BatchNormalization":
        work = math.prod(shape[1:])
    else:
        work = math.prod(weights)
    return Step(what, shape, parameters, work, layers=1)


def _name(node: NodeProto, attributes: dict[str, Any]) -> str:
    kernel = attributes.get("kernel_shape")
    return node.op_type.lower() + (" " + " x ".join(map(str, kernel)) if kernel else "")


def folded(steps: list[Step]) -> list[Step]:
    """The same walk in few rows: where it is long, one row for all layers of one height and width."""
    if len(steps) <= MAX_ROWS:
        return steps
    rows = steps[:1]
    for step in steps[1:]:
        last = rows[-1]
        if step.layers and last.layers and step.shape[2:] == last.shape[2:]:
            rows[-1] = Step(
                f"{last.layers + step.layers} layers",
                step.shape,
                last.parameters + step.parameters,
                last.multiplications + step.multiplications,
                last.layers + step.layers,
            )
        else:
            rows.append(step)
    return rows


def as_text(steps: Iterable[Step]) -> str:
    """The walk as lines of a table."""
    lines = [f"{'':44}{'shape':>22}{'parameters':>12}{'multiplications':>17}"]
    for step in steps:
        costs = f"{step.parameters:>12,}{step.multiplications:>17,}" if step.layers else ""
        shape = " x ".join(map(str, step.shape))
        what = step.what if len(step.what) <= 42 else step.what[:39] + "..."
        lines.append(f"{what:44}{shape:>22}{costs}")
    return "\n".join(lines)
