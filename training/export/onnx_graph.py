"""The ONNX graph of a model: traced from torch, stored smaller, written with its card."""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnx.compose
import torch
from torch import Tensor, nn

from models.card import METADATA_KEY, Card

MIN_HALVED_SIZE = 4096
"""Weights of fewer numbers stay float32: halving them saves nothing."""


def trace(module: nn.Module, card: Card) -> onnx.ModelProto:
    """The graph of a module in eval mode: pixels -> the outputs of the card."""
    pixels = torch.zeros((2, *card.view.shape), dtype=torch.uint8)
    graph = trace_part(module, pixels, "pixels", card.outputs)
    graph.doc_string = card.summary
    return graph


def trace_part(module: nn.Module, example: Tensor, takes: str, gives: Sequence[str]) -> onnx.ModelProto:
    """The graph of a module in eval mode, with a free batch size.

    The exporter's notes, which hold the paths of our source files, are removed.

    Args:
        module: Takes one tensor.
        example: Such a tensor, of more than one picture.
        takes: The name of the graph's input.
        gives: The names of its outputs.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations inside the exporter
        program = torch.onnx.export(
            module, (example,), dynamo=True, verbose=False, input_names=[takes],
            output_names=list(gives), dynamic_shapes=({0: torch.export.Dim("batch")},),
        )  # fmt: skip
    assert program is not None
    graph = program.model_proto
    for node in graph.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in (*graph.graph.input, *graph.graph.output, *graph.graph.value_info):
        del value.metadata_props[:]
    del graph.graph.metadata_props[:]
    del graph.metadata_props[:]
    onnx.checker.check_model(graph, full_check=True)
    return graph


def join(trunk: onnx.ModelProto, head: onnx.ModelProto, card: Card) -> onnx.ModelProto:
    """One graph of two: pixels -> features -> the outputs of the card."""
    head = onnx.compose.add_prefix(head, "head.", rename_inputs=False, rename_outputs=False)
    graph = onnx.compose.merge_models(trunk, head, io_map=[("features", "features")])
    graph.doc_string = card.summary
    return graph


def write(graph: onnx.ModelProto, card: Card, path: Path) -> None:
    """Write the graph with the card in its metadata."""
    onnx.helper.set_model_props(graph, {METADATA_KEY: card.model_dump_json()})
    onnx.save_model(graph, path)


def halve(graph: onnx.ModelProto) -> None:
    """Store large weights of the graph as float16, in place.

    They are widened when the file is opened: half the file size, the same float32 arithmetic.
    """
    casts = []
    for weight in graph.graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if weight.data_type != onnx.TensorProto.FLOAT or values.size < MIN_HALVED_SIZE:
            continue
        name = weight.name
        weight.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(
            onnx.helper.make_node(
                "Cast", [weight.name], [name], name=f"{name}.widen", to=onnx.TensorProto.FLOAT
            )
        )
    nodes = list(graph.graph.node)
    del graph.graph.node[:]
    graph.graph.node.extend([*casts, *nodes])
    onnx.checker.check_model(graph, full_check=True)
