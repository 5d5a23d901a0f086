"""Models of the repository, spoilt: what a stranger could make of their files."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper, numpy_helper

from models.card import METADATA_KEY, read_card
from models.model import ZOO

LINEAR, CARS = "digits-linear", "cars-mlp"
BYTES = {name: (ZOO / f"{name}.onnx").read_bytes() for name in (LINEAR, CARS)}

Spoil = Callable[[onnx.ModelProto], None]


def spoilt(folder, spoil: Spoil, name=LINEAR):
    """A copy of a model of the repository that `spoil` has changed."""
    proto = onnx.load_from_string(BYTES[name])
    spoil(proto)
    path = folder / f"{name}.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def change_card(proto, **changes):
    prop = next(prop for prop in proto.metadata_props if prop.key == METADATA_KEY)
    prop.value = read_card(prop.value).model_copy(update=changes).model_dump_json()


def golden_of(proto):
    prop = next(prop for prop in proto.metadata_props if prop.key == METADATA_KEY)
    return read_card(prop.value).golden


def renamed(proto, output, new):
    """What computed an output is called `new` from now on."""
    for node in proto.graph.node:
        node.output[:] = [new if name == output else name for name in node.output]


def behind(proto, output, operator, *operands):
    """The output goes through one more operator."""
    renamed(proto, output, f"was_{output}")
    names = []
    for place, operand in enumerate(operands):
        names.append(f"{output}_operand_{place}")
        proto.graph.initializer.append(numpy_helper.from_array(np.asarray(operand), names[-1]))
    proto.graph.node.append(helper.make_node(operator, [f"was_{output}", *names], [output]))


def twice_as_probable(proto):
    behind(proto, "probabilities", "Mul", np.float32(2))


def not_numbers(proto):
    behind(proto, "probabilities", "Mul", np.float32("nan"))


def squares(side):
    """`familiarity` waits for the product of two square matrices that the file makes out of 16 bytes."""

    def spoil(proto):
        shape = numpy_helper.from_array(np.array([side, side], np.int64), "bomb_shape")
        half = numpy_helper.from_array(np.array([0.5], np.float32), "half")
        proto.graph.initializer.append(shape)
        renamed(proto, "familiarity", "was_familiarity")
        proto.graph.node.extend([
            helper.make_node("ConstantOfShape", ["bomb_shape"], ["bomb"], value=half),
            helper.make_node("MatMul", ["bomb", "bomb"], ["product"]),
            helper.make_node("ReduceMin", ["product"], ["least"], keepdims=0),
            helper.make_node("Min", ["was_familiarity", "least"], ["familiarity"]),
        ])  # fmt: skip

    return spoil
