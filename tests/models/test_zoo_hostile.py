"""Model files from strangers: refused with a reason, before anything is opened, allocated or run for them."""

import asyncio
import base64
import contextlib
import os
import time
import tracemalloc
import zlib
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from models import onnx_file, trial
from models.card import METADATA_KEY, Golden, read_card
from models.onnx_scan import MAX_FIELDS, MAX_METADATA_BYTES, OnnxFileError, metadata_of
from models.trial import try_out
from models.zoo import ZOO, ZooError, open_model

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


def first_weights(proto):
    return max(proto.graph.initializer, key=lambda tensor: len(tensor.raw_data))


def external(location):
    def spoil(proto):
        weights = first_weights(proto)
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=location)

    return spoil


def external_without_location(proto):
    first_weights(proto).external_data.add(key="location", value="weights.bin")


def external_in_an_attribute(proto):
    tensor = TensorProto(name="inside", data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="README.md")
    proto.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))


def other_operators(domain):
    def spoil(proto):
        proto.opset_import.add(domain=domain, version=1)
        behind(proto, "familiarity", "Gelu")
        proto.graph.node[-1].domain = domain

    return spoil


def a_function(proto):
    proto.functions.add(name="Relu", domain="")


def control_flow(proto):
    branch = helper.make_graph(
        [helper.make_node("Identity", ["was_familiarity"], ["out"])],
        "branch",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
    )
    renamed(proto, "familiarity", "was_familiarity")
    proto.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    proto.graph.node.append(
        helper.make_node("If", ["yes"], ["familiarity"], then_branch=branch, else_branch=branch)
    )


def sparse(proto):
    proto.graph.sparse_initializer.add(dims=[2**40])


def declares(*dims, data=bytes(16)):
    def spoil(proto):
        weights = first_weights(proto)
        weights.dims[:] = dims
        weights.raw_data = data

    return spoil


def huge_in_an_attribute(proto):
    tensor = TensorProto(name="inside", data_type=1, dims=[2**32])
    proto.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))


def a_card_of_100_mb(proto):
    proto.metadata_props[0].value = " " * 100 * 10**6


def two_cards(proto):
    proto.metadata_props.add(key=METADATA_KEY, value="{}")


LOOKED_THROUGH = [
    (external("/etc/passwd"), "other files"),
    (external("../weights.bin"), "other files"),
    (external("weights.bin"), "other files"),
    (external_without_location, "other files"),
    (external_in_an_attribute, "other files"),
    (other_operators("com.example"), r"operators of com\.example"),
    (other_operators("com.microsoft"), r"operators of com\.microsoft"),
    (a_function, "functions of its own"),
    (control_flow, "control flow"),
    (sparse, "sparse"),
    (declares(50_000, 50_000), "declares 2,500,000,000 values in 16 bytes"),
    (declares(50_000, 50_000, data=b""), "declares"),
    (declares(-1, -4), "a size that cannot be"),
    (declares(2**32, 2**32, 4), "a size that cannot be"),
    (declares(*[1] * 40), "40 dimensions"),
    (huge_in_an_attribute, "declares"),
    (a_card_of_100_mb, "entry of 100,000,000 bytes"),
    (two_cards, "twice"),
]


@pytest.mark.parametrize(("spoil", "why"), LOOKED_THROUGH)
def test_what_a_look_finds_never_reaches_onnxruntime(tmp_path, monkeypatch, spoil, why):
    monkeypatch.setattr("onnxruntime.InferenceSession", None)
    with pytest.raises(ZooError, match=f"{LINEAR}.onnx does not open as an ONNX model: .*{why}"):
        open_model(spoilt(tmp_path, spoil))


def an_unknown_operator(proto):
    behind(proto, "familiarity", "FormatDisk")


def one_picture_at_a_time(proto):
    dim = proto.graph.input[0].type.tensor_type.shape.dim[0]
    dim.ClearField("dim_param")
    dim.dim_value = 4


def another_input(proto):
    proto.graph.input.append(helper.make_tensor_value_info("path", TensorProto.STRING, [1]))


def another_output_type(proto):
    renamed(proto, "familiarity", "was_familiarity")
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
    prop = next(prop for prop in proto.metadata_props if prop.key == METADATA_KEY)
    prop.value = prop.value.replace('"labels":["0"', '"labels":[' + "7," * 10_000 + '"0"')


def twice_as_probable(proto):
    behind(proto, "probabilities", "Mul", np.float32(2))


def not_numbers(proto):
    behind(proto, "probabilities", "Mul", np.float32("nan"))


def too_familiar(proto):
    behind(proto, "familiarity", "Add", np.float32(1))


def one_row_for_all(proto):
    behind(proto, "probabilities", "ReduceMean", np.array([0], np.int64))


def familiar_as_the_best_of_its_batch(proto):
    renamed(proto, "familiarity", "own")
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
    def spoil(proto):
        change_card(proto, golden=golden_of(proto).model_copy(update={"pixels": pixels}))

    return spoil


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


LIES = [
    (an_unknown_operator, "does not open"),
    (one_picture_at_a_time, "takes 4 pictures at a time"),
    (another_input, "but its view makes"),
    (another_output_type, r"each tensor\(float\)"),
    (nine_labels, r"\(4, 10\) for 4 pictures, but its card promises \(4, 9\)"),
    (a_label_twice, "not valid: .*twice"),
    (ten_thousand_bad_labels, "not valid: .* and 9,997 more"),
    (twice_as_probable, "do not sum to 1"),
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


@pytest.mark.parametrize(("spoil", "why"), LIES)
@pytest.mark.filterwarnings(
    "ignore:Pydantic serializer warnings"
)  # of cards that could not be made otherwise
def test_a_card_that_lies_is_refused(tmp_path, spoil, why):
    with pytest.raises(ZooError, match=why) as refused:
        open_model(spoilt(tmp_path, spoil))
    assert len(str(refused.value)) < 1500


def test_an_interval_beside_its_value_is_refused(tmp_path):
    def low_for_high(proto):
        renamed(proto, "low", "lower")
        renamed(proto, "high", "low")
        renamed(proto, "lower", "high")

    with pytest.raises(ZooError, match="not between its own low and high"):
        open_model(spoilt(tmp_path, low_for_high, CARS))


def test_a_file_that_lets_pictures_move_each_others_answers_is_refused(tmp_path):
    path = spoilt(tmp_path, familiar_as_the_best_of_its_batch)

    def answers_of_today(proto):
        familiar_as_the_best_of_its_batch(proto)
        session = ort.InferenceSession(path)
        golden = golden_of(proto)
        names = ["probabilities", "familiarity"]
        today = dict(zip(names, session.run(names, {"pixels": golden.unpack()}), strict=True))
        change_card(proto, golden=Golden.of(golden.unpack(), today))

    with pytest.raises(ZooError, match="differently when others are beside it"):
        open_model(spoilt(tmp_path, answers_of_today))


def test_golden_pixels_that_are_a_bomb_are_not_inflated():
    bomb = packed(bytes(300 * 2**20))
    golden = Golden(shape=(1, 28, 28, 1), pixels=bomb, answers={})
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="784 bytes"):
            golden.unpack()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(bomb)


def test_a_file_of_a_million_empty_things_is_refused_soon(tmp_path):
    graph = b"\x0a\x00" * (MAX_FIELDS + 10)
    path = tmp_path / "many.onnx"
    path.write_bytes(b"\x3a" + _varint(len(graph)) + graph)
    started = time.perf_counter()
    with pytest.raises(ZooError, match="1,000,000 fields"):
        open_model(path)
    assert time.perf_counter() - started < 20


def _varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


@pytest.mark.parametrize("percent", range(1, 100, 4))
def test_a_truncated_file_is_refused(tmp_path, percent):
    path = tmp_path / f"{LINEAR}.onnx"
    path.write_bytes(BYTES[LINEAR][: len(BYTES[LINEAR]) * percent // 100])
    with pytest.raises(ZooError, match="it ends in the middle"):
        open_model(path)


@pytest.mark.parametrize(("graphs", "data"), [(2, BYTES[LINEAR] + b"\x3a\x00"), (0, b""), (0, b"\x08\x0a")])
def test_a_file_without_exactly_one_graph_is_refused(tmp_path, graphs, data):
    """A second one would be merged into the first."""
    path = tmp_path / f"{LINEAR}.onnx"
    path.write_bytes(data)
    with pytest.raises(ZooError, match=f"it has {graphs} graphs, not one"):
        open_model(path)


def test_onnxruntimes_own_format_is_not_opened(tmp_path):
    """What was not looked through: such a file says what it is in its bytes 4 to 8."""
    path = tmp_path / f"{LINEAR}.onnx"
    path.write_bytes(b"\x18\x00\x00\x00ORTM" + bytes(1000))
    with pytest.raises(ZooError, match="does not open"):
        open_model(path)


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_read(data):
    _only_refused(data)


SMALL = onnx.load_from_string(BYTES[LINEAR])
for _tensor in SMALL.graph.initializer:
    if len(_tensor.raw_data) > 1000:
        _tensor.raw_data, _tensor.dims[:] = bytes(4), [1]
SMALL_BYTES = SMALL.SerializeToString()


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(SMALL_BYTES) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_are_refused_or_read(changes):
    data = bytearray(SMALL_BYTES)
    for at, byte in changes:
        data[at] = byte
    _only_refused(bytes(data))


def _only_refused(data):
    with contextlib.suppress(OnnxFileError):
        metadata = metadata_of(data)
        assert all(len(text) <= MAX_METADATA_BYTES for text in metadata.values())


def a_link_to_nothing(path):
    path.symlink_to("nowhere")


def a_folder(path):
    path.mkdir()


def a_pipe(path):
    os.mkfifo(path)


def too_large(path):
    path.touch()
    os.truncate(path, onnx_file.MAX_FILE_BYTES + 1)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (a_link_to_nothing, "No such file"),
        (a_folder, "no regular file"),
        (a_pipe, "no regular file"),
        (too_large, "at most 536,870,912"),
        (lambda path: None, "cannot be read"),
    ],
)
def test_only_regular_files_of_some_size_are_read(tmp_path, make, why):
    path = tmp_path / f"{LINEAR}.onnx"
    make(path)
    with pytest.raises(ZooError, match=why):
        open_model(path)


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


def test_a_trial_says_which_file_it_saw(tmp_path):
    path = spoilt(tmp_path, lambda proto: None)
    assert asyncio.run(try_out(path)) == open_model(path).sha256


def test_a_trial_says_why_a_file_is_refused(tmp_path):
    with pytest.raises(ZooError, match=f"^{LINEAR}.onnx returns probabilities that do not sum to 1.$"):
        asyncio.run(try_out(spoilt(tmp_path, twice_as_probable)))


def test_a_file_that_takes_all_memory_is_refused(tmp_path):
    """14 GB for one tensor: asked for in a process that may have four."""
    with pytest.raises(ZooError, match=LINEAR):
        asyncio.run(try_out(spoilt(tmp_path, squares(60_000))))


def test_a_file_that_takes_for_ever_is_refused(tmp_path, monkeypatch):
    """Squaring this matrix is 10 TFLOP."""
    monkeypatch.setattr(trial, "SECONDS", 2.0)
    started = time.perf_counter()
    with pytest.raises(ZooError, match="not opened and verified within 2 s"):
        asyncio.run(try_out(spoilt(tmp_path, squares(17_000))))
    assert time.perf_counter() - started < 20


def test_a_file_that_ends_its_process_is_refused(tmp_path, monkeypatch):
    """As a crash of onnxruntime would end it: without a word."""
    monkeypatch.setattr(trial.sys, "executable", "/bin/false")
    with pytest.raises(ZooError, match=r"ends the process that tries it \(status 1\)"):
        asyncio.run(try_out(spoilt(tmp_path, lambda proto: None)))
