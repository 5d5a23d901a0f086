"""The model file: written, opened with onnxruntime, compared with torch and measured, then named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import nn

from models.atomic import replacing
from models.card import Card, Golden, Measured, Reference
from models.model import Model
from training.export import onnx_graph
from training.export.verification import check_outputs, onnx_outputs, open_partial, torch_outputs

TOLERANCE = 1e-4
"""Largest difference of onnxruntime's outputs from torch's, relative to max(1, |output|)."""

HALF_TOLERANCE = 1e-2
"""The same for a file whose weights are stored as float16: a price moves by less than one percent."""

Measure = Callable[[Model], tuple[Measured, Reference]]
"""The metrics of an opened model, and the reference for its drift."""


def write_verified(
    module: nn.Module, card: Card, golden: npt.NDArray[np.uint8], folder: Path, measure: Measure, halve: bool
) -> Path:
    """Write folder/<name>.onnx and return its path; an older file of that name stays where this raises.

    Args:
        module: Pixels uint8 (N, H, W, C) -> the outputs that the card names.
        card: Without metrics and golden outputs, which are added.
        golden: Pixels that may be published, uint8 (n, H, W, C).
        folder: Where the file goes.
        measure: Called with the written file; what it raises leaves no file.
        halve: Store large weights as float16.

    Raises:
        ExportError: The outputs differ from torch's.
    """
    graph = onnx_graph.trace(module, card)
    expected = torch_outputs(module, golden, card)
    path = folder / f"{card.name}.onnx"
    with replacing(path) as partial:
        # The first file has a card without metrics; they are measured on it and go into the second.
        card = card.model_copy(update={"golden": Golden.of(golden, expected)})
        onnx_graph.write(graph, card, partial)
        check_outputs(open_partial(partial, path)(golden), expected, TOLERANCE)
        if halve:
            onnx_graph.halve(graph)
            onnx_graph.write(graph, card, partial)
            halved = onnx_outputs(partial, golden, card)
            check_outputs(halved, expected, HALF_TOLERANCE)
            card = card.model_copy(update={"golden": Golden.of(golden, halved)})
            onnx_graph.write(graph, card, partial)
        measured, usual = measure(open_partial(partial, path))
        card = card.model_copy(update={"measured": measured, "reference": usual})
        onnx_graph.write(graph, card, partial)
        open_partial(partial, path)
    return path
