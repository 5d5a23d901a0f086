"""The contract: a graph that differs from its card in any way is refused."""

import base64
import tracemalloc
import zlib

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from models.card import Golden
from models.model import ZooError, open_model
from tests.support.models.corrupted import (
    CARS,
    append_operator,
    card_entry,
    change_card,
    corrupted,
    double_probabilities,
    golden_of,
    not_numbers,
    rename_output,
)


def an_unknown_operator(proto):
    append_operator(proto, "familiarity", "FormatDisk")


def one_picture_at_a_time(proto):
    dim = proto.graph.input[0].type.tensor_type.shape.dim[0]
    dim.ClearField("dim_param")
    dim.dim_value = 4


def another_input(proto):
    proto.graph.input.append(helper.make_tensor_value_info("path", TensorProto.STRING, [1]))


def another_output_type(proto):
    rename_output(proto, "familiarity", "was_familiarity")
    proto.graph.node.append(
        helper.make_node("Cast", ["was_familiarity"], ["familiarity"], to=TensorProto.DOUBLE)
    )
    output = next(output for output in proto.graph.output if output.name == "familiarity")
    output.type.tensor_type.elem_type = TensorProto.DOUBLE


def nine_labels(proto):
    change_card(proto, labels=tuple("012345678"), reference=None)


def a_label_twice(proto):
    change_card(proto, labels=tuple("0123456788"))


def ten_thousand_bad_labels(proto):
    entry = card_entry(proto)
    entry.value = entry.value.replace('"labels":["0"', '"labels":[' + "7," * 10_000 + '"0"')


def too_familiar(proto):
    append_operator(proto, "familiarity", "Add", np.float32(1))


def one_row_for_all(proto):
    append_operator(proto, "probabilities", "ReduceMean", np.array([0], np.int64))


def familiarity_of_the_whole_batch(proto):
    rename_output(proto, "familiarity", "own")
    proto.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "first_axis"))
    proto.graph.initializer.append(numpy_helper.from_array(np.float32(0), "nothing"))
    proto.graph.node.extend([
        helper.make_node("ReduceMax", ["own", "first_axis"], ["best"], keepdims=1),
        helper.make_node("Mul", ["own", "nothing"], ["zeros"]),
        helper.make_node("Add", ["best", "zeros"], ["familiarity"]),
    ])  # fmt: skip


def no_golden_answers(proto):
    change_card(proto, golden=golden_of(proto).model_copy(update={"answers": {}}))


def ragged_golden_answers(proto):
    answers = {"probabilities": [[0.5], [0.1, 0.2]], "familiarity": [1.0] * 4}
    change_card(proto, golden=golden_of(proto).model_copy(update={"answers": answers}))


def golden_pictures_of_another_shape(proto):
    golden = Golden.of(np.zeros((4, 14, 56, 1), np.uint8), {})
    change_card(proto, golden=golden.model_copy(update={"answers": golden_of(proto).answers}))


def golden_pictures(pixels):
    def corrupt(proto):
        change_card(proto, golden=golden_of(proto).model_copy(update={"pixels": pixels}))

    return corrupt


def golden_pictures_without_their_checksum(proto):
    golden = golden_of(proto)
    cut = base64.b64encode(base64.b64decode(golden.pixels)[:-4]).decode()
    change_card(proto, golden=golden.model_copy(update={"pixels": cut}))


def no_golden_pictures(proto):
    change_card(proto, golden=golden_of(proto).model_copy(update={"shape": (0, 28, 28, 1)}))


def a_million_golden_pictures(proto):
    change_card(proto, golden=golden_of(proto).model_copy(update={"shape": (10**6, 28, 28, 1)}))


def packed(raw):
    return base64.b64encode(zlib.compress(raw)).decode()


VIOLATIONS = [
    (an_unknown_operator, "does not open"),
    (one_picture_at_a_time, "takes 4 pictures at a time"),
    (another_input, "but its view makes"),
    (another_output_type, r"each tensor\(float\)"),
    (nine_labels, r"\(4, 10\) for 4 pictures, but its card promises \(4, 9\)"),
    (a_label_twice, "not valid: .*twice"),
    (ten_thousand_bad_labels, "not valid: .* and 9,997 more"),
    (double_probabilities, "do not sum to 1"),
    (not_numbers, "do not sum to 1"),
    (too_familiar, "not between 0 and 1"),
    (one_row_for_all, "for 4 pictures"),
    (no_golden_answers, "differently from the day"),
    (ragged_golden_answers, "differently from the day"),
    (golden_pictures_of_another_shape, r"golden pictures of \(14, 56, 1\)"),
    (golden_pictures(""), "golden pictures that cannot be used"),
    (golden_pictures("%%%"), "golden pictures that cannot be used"),
    (golden_pictures(base64.b64encode(b"text").decode()), "golden pictures that cannot be used"),
    (golden_pictures(packed(bytes(100))), "golden pictures that cannot be used"),
    (golden_pictures(packed(bytes(4 * 28 * 28))[:20] + "=" * 4), "golden pictures that cannot be used"),
    (golden_pictures_without_their_checksum, "golden pictures that cannot be used"),
    (no_golden_pictures, "not valid"),
    (a_million_golden_pictures, "not valid"),
]


@pytest.mark.parametrize(("corrupt", "reason"), VIOLATIONS)
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # from writing invalid cards
def test_violations_are_refused(tmp_path, corrupt, reason):
    with pytest.raises(ZooError, match=reason) as refused:
        open_model(corrupted(tmp_path, corrupt))
    assert len(str(refused.value)) < 1500


def test_interval_without_its_value_is_refused(tmp_path):
    def swap_low_and_high(proto):
        rename_output(proto, "low", "lower")
        rename_output(proto, "high", "low")
        rename_output(proto, "lower", "high")

    with pytest.raises(ZooError, match="not between its own low and high"):
        open_model(corrupted(tmp_path, swap_low_and_high, CARS))


def test_outputs_that_depend_on_the_batch_are_refused(tmp_path):
    path = corrupted(tmp_path, familiarity_of_the_whole_batch)

    def with_its_own_golden_outputs(proto):
        familiarity_of_the_whole_batch(proto)
        session = ort.InferenceSession(path)
        golden = golden_of(proto)
        names = ["probabilities", "familiarity"]
        outputs = dict(zip(names, session.run(names, {"pixels": golden.unpack()}), strict=True))
        change_card(proto, golden=Golden.of(golden.unpack(), outputs))

    with pytest.raises(ZooError, match="differently when others are beside it"):
        open_model(corrupted(tmp_path, with_its_own_golden_outputs))


def test_golden_bomb_is_not_inflated():
    bomb = packed(bytes(32 * 2**20))
    golden = Golden(shape=(1, 28, 28, 1), pixels=bomb, answers={})
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="784 bytes"):
            golden.unpack()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(bomb)
