"""Corrupted copies of the repository's models, as an attacker could make them."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper, numpy_helper

from models.card import METADATA_KEY, read_card
from models.model import ZOO

LINEAR, CARS = "digits-linear", "cars-mlp"
BYTES = {name: (ZOO / f"{name}.onnx").read_bytes() for name in (LINEAR, CARS)}

Corruption = Callable[[onnx.ModelProto], None]


def corrupted(folder, corrupt: Corruption, name=LINEAR):
    """Write a corrupted copy of a model to the folder; return its path."""
    proto = onnx.load_from_string(BYTES[name])
    corrupt(proto)
    path = folder / f"{name}.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def card_entry(proto):
    """The metadata entry that holds the card."""
    return next(entry for entry in proto.metadata_props if entry.key == METADATA_KEY)


def change_card(proto, **changes):
    """Replace fields of the card."""
    entry = card_entry(proto)
    entry.value = read_card(entry.value).model_copy(update=changes).model_dump_json()


def golden_of(proto):
    """The card's golden pictures."""
    return read_card(card_entry(proto).value).golden


def rename_output(proto, output, new):
    """Rename a value where it is computed."""
    for node in proto.graph.node:
        node.output[:] = [new if name == output else name for name in node.output]


def append_operator(proto, output, operator, *operands):
    """Pass an output through one more operator."""
    rename_output(proto, output, f"was_{output}")
    names = []
    for index, operand in enumerate(operands):
        names.append(f"{output}_operand_{index}")
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(operand), names[-1]))
    proto.graph.node.append(helper.make_node(operator, [f"was_{output}", *names], [output]))


def double_probabilities(proto):
    """Probabilities that sum to 2."""
    append_operator(proto, "probabilities", "Mul", np.float32(2))


def not_numbers(proto):
    """Probabilities that are NaN."""
    append_operator(proto, "probabilities", "Mul", np.float32("nan"))


def squares(side):
    """Make `familiarity` depend on a product of two matrices of side x side.

    The file declares them in 16 bytes.
    """

    def corrupt(proto):
        shape = numpy_helper.from_array(np.array([side, side], np.int64), "bomb_shape")
        half = numpy_helper.from_array(np.array([0.5], np.float32), "half")
        proto.graph.initializer.append(shape)
        rename_output(proto, "familiarity", "was_familiarity")
        proto.graph.node.extend([
            helper.make_node("ConstantOfShape", ["bomb_shape"], ["bomb"], value=half),
            helper.make_node("MatMul", ["bomb", "bomb"], ["product"]),
            helper.make_node("ReduceMin", ["product"], ["least"], keepdims=0),
            helper.make_node("Min", ["was_familiarity", "least"], ["familiarity"]),
        ])  # fmt: skip

    return corrupt
