"""A model file that answers as before, but fails on a picture with ink on one certain pixel."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper

from models.image.decode import open_picture
from models.model import ZOO, open_model
from tests.support.images import pictures

NAME = "digits-linear"
LIGHT = 200
FINE, FATAL = pictures.encoded(pictures.digit(0)), pictures.encoded(pictures.digit(1))


def failing() -> Sequence[NodeProto]:
    """A lookup without an entry for ink: onnxruntime raises for the whole batch."""
    return [
        _constant("table", np.zeros(1, np.float32)),
        helper.make_node("Gather", ["table", "ink"], ["more"]),
    ]


def no_number() -> Sequence[NodeProto]:
    """NaN, for the one picture."""
    return [
        _constant("nothing", np.zeros(1, np.float32)),
        _constant("nan", np.full(1, np.nan, np.float32)),
        _constant("none", np.array([0], np.int64)),
        helper.make_node("Greater", ["ink", "none"], ["is_fatal"]),
        helper.make_node("Where", ["is_fatal", "nan", "nothing"], ["more"]),
    ]


def trapped(folder: Path, trap: Sequence[NodeProto]) -> Path:
    """Write digits-linear with the trap to folder. trap: nodes that make `more`, added to the familiarity, of
    `ink` int64 (N,), 0 to 56: how much a pixel is above 199, which it is on FATAL and not on FINE.

    Nor is it on the golden pictures, so the file passes every check.
    """
    model = open_model(ZOO / f"{NAME}.onnx")
    view = model.card.view
    fine, fatal = (view(open_picture(data, view.shorter_side)) for data in (FINE, FATAL))
    others = np.maximum(fine, model.card.golden.unpack().max(0))
    row, column, _ = np.unravel_index(np.argmax(np.where(others < LIGHT, fatal, 0)), fatal.shape)
    assert fatal[row, column] > LIGHT

    proto = onnx.load(ZOO / f"{NAME}.onnx")
    graph = proto.graph
    familiarity = next(output for output in graph.output if output.name == "familiarity")
    for node in graph.node:
        node.output[:] = ["was_familiarity" if name == "familiarity" else name for name in node.output]
    graph.node.extend([
        _constant("starts", np.array([row, column], np.int64)),
        _constant("ends", np.array([row + 1, column + 1], np.int64)),
        _constant("axes", np.array([1, 2], np.int64)),
        _constant("flat", np.array([-1], np.int64)),
        helper.make_node("Slice", ["pixels", "starts", "ends", "axes"], ["pixel"]),
        helper.make_node("Reshape", ["pixel", "flat"], ["level"]),
        helper.make_node("Cast", ["level"], ["light"], to=TensorProto.INT64),
        _constant("threshold", np.array([LIGHT - 1], np.int64)),
        _constant("least", np.array([0], np.int64)),
        helper.make_node("Sub", ["light", "threshold"], ["above"]),
        helper.make_node("Max", ["above", "least"], ["ink"]),
        *trap,
        helper.make_node("Add", ["was_familiarity", "more"], [familiarity.name]),
    ])  # fmt: skip
    onnx.save(proto, folder / f"{NAME}.onnx")
    return folder


def _constant(name: str, value: np.ndarray) -> NodeProto:
    return helper.make_node("Constant", [], [name], value=onnx.numpy_helper.from_array(value))
