"""Writing a file that is verified: golden outputs, agreement with torch, and the recipe's floors."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import torch
from torch import nn

from models.atomic import replacing
from models.card import Card, Golden, Measured, Outputs, Reference
from models.model import CPU, Model, open_model_file, read_model_file
from training.data.splits import Splits
from training.data.synthetic.cars import draw, draw_model
from training.export import onnx_graph
from training.recipe import Recipe

GOLDEN_PICTURES = 4
TOLERANCE = 1e-4
"""Largest difference of onnxruntime's outputs from torch's, relative to max(1, |output|)."""

HALF_TOLERANCE = 1e-2
"""The same for a file whose weights are stored as float16: a price moves by less than one percent."""

Measure = Callable[[Model], tuple[Measured, Reference]]
"""The metrics of an opened model, and the reference for its drift."""

ERROR_METRICS = ("median_ape", "mape", "mae", "ece")
"""Metrics that are better when lower: their floor is a ceiling."""


class ExportError(Exception):
    """No file was written: the model misses a floor, or the graph's outputs differ from torch's."""


def golden_pixels(recipe: Recipe, splits: Splits) -> npt.NDArray[np.uint8]:
    """Pixels, uint8 (4, H, W, C), that may be published: test digits, or drawn cars instead of photos."""
    if recipe.task == "classification":
        return splits.test.pixels[:GOLDEN_PICTURES]
    rng = np.random.default_rng(4)
    drawings = [np.asarray(draw(draw_model(rng), rng)) for _ in range(GOLDEN_PICTURES)]
    return np.stack([recipe.view(drawing) for drawing in drawings])


@torch.no_grad()
def torch_outputs(module: nn.Module, pixels: npt.NDArray[np.uint8], card: Card) -> Outputs:
    """What the module gives in torch."""
    outputs = module(torch.from_numpy(pixels))
    return {name: values.numpy() for name, values in zip(card.outputs, outputs, strict=True)}


def onnx_outputs(path: Path, pixels: npt.NDArray[np.uint8], card: Card) -> Outputs:
    """What a file gives in onnxruntime, whatever its card says."""
    session = ort.InferenceSession(path, providers=[CPU])
    return dict(zip(card.outputs, session.run(list(card.outputs), {"pixels": pixels}), strict=True))


def open_partial(partial: Path, path: Path) -> Model:
    """Open a file that is still under a temporary name as the one at `path` that it will be.

    Raises:
        ZooError: The service would not open it either.
    """
    return open_model_file(replace(read_model_file(partial), path=path))


def check_outputs(outputs: Outputs, expected: Outputs, tolerance: float) -> None:
    """Compare outputs with torch's; tolerance: relative to max(1, |expected|).

    Raises:
        ExportError: They differ by more.
    """
    for name, values in expected.items():
        gap = np.abs(outputs[name] - values) / np.maximum(np.abs(values), 1)
        if not np.all(gap <= tolerance):
            raise ExportError(f"{name} differs from torch by {gap.max():.2e}; nothing was written.")


def check_floors(recipe: Recipe, measured: Measured) -> None:
    """Compare metrics with the recipe's floors.

    Raises:
        ExportError: A metric is below its floor, or an error above it.
    """
    for metric, floor in recipe.floors.items():
        value = measured.values[metric]
        if value > floor if metric in ERROR_METRICS else value < floor:
            raise ExportError(
                f"{recipe.name}: {metric} is {value:.4g}, its floor is {floor:.4g}; nothing was written."
            )


def write_verified(
    module: nn.Module,
    graph: onnx.ModelProto,
    card: Card,
    golden: npt.NDArray[np.uint8],
    folder: Path,
    measure: Measure,
    halve: bool = False,
) -> Path:
    """Write folder/<name>.onnx and return its path; an older file of that name stays where this raises.

    Args:
        module: Pixels uint8 (N, H, W, C) -> the outputs that the card names.
        graph: The same in ONNX.
        card: Without metrics and golden outputs, which are added.
        golden: Pixels that may be published, uint8 (n, H, W, C).
        folder: Where the file goes.
        measure: Called with the written file; what it raises leaves no file.
        halve: Store large weights as float16, in the graph that was handed over too.

    Raises:
        ExportError: The outputs differ from torch's.
    """
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
