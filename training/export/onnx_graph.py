"""The ONNX graph of a model: traced from torch, made smaller, written with its card."""

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import nn

from models.card import METADATA_KEY, Card
from training.recipe import Recipe

HALVED = 4096
"""Numbers a weight has at least to be stored as float16; smaller ones save nothing."""


def trace(served: nn.Module, recipe: Recipe, card: Card) -> onnx.ModelProto:
    """The traced graph of a module in eval mode, its batch free.

    Without the exporter's notes on where our source lies."""
    example = torch.zeros((2, *recipe.view.shape), dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations, not ours to mend
        program = torch.onnx.export(
            served, (example,), dynamo=True, verbose=False, input_names=["pixels"],
            output_names=list(card.outputs), dynamic_shapes=({0: torch.export.Dim("batch")},),
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
    graph.doc_string = recipe.summary
    onnx.checker.check_model(graph, full_check=True)
    return graph


def write(graph: onnx.ModelProto, card: Card, path: Path) -> None:
    """The graph with the card in its metadata."""
    onnx.helper.set_model_props(graph, {METADATA_KEY: card.model_dump_json()})
    onnx.save_model(graph, path)


def halve(graph: onnx.ModelProto) -> None:
    """Store large weights as float16, to be widened when the file is opened: half the file, the same
    float32 arithmetic."""
    casts = []
    for weight in graph.graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if weight.data_type != onnx.TensorProto.FLOAT or values.size < HALVED:
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
