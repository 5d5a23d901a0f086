"""The scan of a model file: what is refused before onnxruntime sees a byte."""

import contextlib

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from models.card import METADATA_KEY
from models.model import ZooError, open_model
from models.onnx_file import scan
from models.onnx_file.scan import MAX_METADATA_BYTES, OnnxFileError, scan_metadata
from tests.support.models.corrupted import BYTES, LINEAR, append_operator, corrupted, rename_output


def first_weights(proto):
    return max(proto.graph.initializer, key=lambda tensor: len(tensor.raw_data))


def external(location):
    def corrupt(proto):
        weights = first_weights(proto)
        weights.ClearField("raw_data")
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value=location)

    return corrupt


def external_without_location(proto):
    first_weights(proto).external_data.add(key="location", value="weights.bin")


def external_in_an_attribute(proto):
    tensor = TensorProto(name="inside", data_type=1, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="README.md")
    proto.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))


def other_operators(domain):
    def corrupt(proto):
        proto.opset_import.add(domain=domain, version=1)
        append_operator(proto, "familiarity", "Gelu")
        proto.graph.node[-1].domain = domain

    return corrupt


def a_function(proto):
    proto.functions.add(name="Relu", domain="")


def control_flow(proto):
    branch = helper.make_graph(
        [helper.make_node("Identity", ["was_familiarity"], ["out"])],
        "branch",
        [],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
    )
    rename_output(proto, "familiarity", "was_familiarity")
    proto.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    proto.graph.node.append(
        helper.make_node("If", ["yes"], ["familiarity"], then_branch=branch, else_branch=branch)
    )


def sparse(proto):
    proto.graph.sparse_initializer.add(dims=[2**40])


def declares(*dims, data=bytes(16)):
    def corrupt(proto):
        weights = first_weights(proto)
        weights.dims[:] = dims
        weights.raw_data = data

    return corrupt


def huge_in_an_attribute(proto):
    tensor = TensorProto(name="inside", data_type=1, dims=[2**32])
    proto.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))


def a_card_of_100_mb(proto):
    proto.metadata_props[0].value = " " * 100 * 10**6


def two_cards(proto):
    proto.metadata_props.add(key=METADATA_KEY, value="{}")


VIOLATIONS = [
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


@pytest.mark.parametrize(("corrupt", "reason"), VIOLATIONS)
def test_violations_never_reach_onnxruntime(tmp_path, monkeypatch, corrupt, reason):
    monkeypatch.setattr("onnxruntime.InferenceSession", None)
    with pytest.raises(ZooError, match=f"{LINEAR}.onnx does not open as an ONNX model: .*{reason}"):
        open_model(corrupted(tmp_path, corrupt))


def test_number_of_fields_is_limited(tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "MAX_FIELDS", 10_000)
    graph = b"\x0a\x00" * (scan.MAX_FIELDS + 10)
    path = tmp_path / "many.onnx"
    path.write_bytes(b"\x3a" + _varint(len(graph)) + graph)
    with pytest.raises(ZooError, match="10,000 fields"):
        open_model(path)


def _varint(number):
    out = b""
    while number >= 0x80:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


@pytest.mark.parametrize("percent", range(1, 100, 4))
def test_truncated_file(tmp_path, percent):
    path = tmp_path / f"{LINEAR}.onnx"
    path.write_bytes(BYTES[LINEAR][: len(BYTES[LINEAR]) * percent // 100])
    with pytest.raises(ZooError, match="it ends in the middle"):
        open_model(path)


@pytest.mark.parametrize(("graphs", "data"), [(2, BYTES[LINEAR] + b"\x3a\x00"), (0, b""), (0, b"\x08\x0a")])
def test_number_of_graphs(tmp_path, graphs, data):
    """onnxruntime would merge a second graph into the first."""
    path = tmp_path / f"{LINEAR}.onnx"
    path.write_bytes(data)
    with pytest.raises(ZooError, match=f"it has {graphs} graphs, not one"):
        open_model(path)


def test_ort_format_is_refused(tmp_path):
    """onnxruntime's own format, by its magic number, would bypass the scan."""
    path = tmp_path / f"{LINEAR}.onnx"
    path.write_bytes(b"\x18\x00\x00\x00ORTM" + bytes(1000))
    with pytest.raises(ZooError, match="does not open"):
        open_model(path)


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_or_scanned(data):
    _scan_or_refuse(data)


SMALL = onnx.load_from_string(BYTES[LINEAR])
for _tensor in SMALL.graph.initializer:
    if len(_tensor.raw_data) > 1000:
        _tensor.raw_data, _tensor.dims[:] = bytes(4), [1]
SMALL_BYTES = SMALL.SerializeToString()


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(SMALL_BYTES) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_are_refused_or_scanned(changes):
    data = bytearray(SMALL_BYTES)
    for offset, byte in changes:
        data[offset] = byte
    _scan_or_refuse(bytes(data))


def _scan_or_refuse(data):
    with contextlib.suppress(OnnxFileError):
        metadata = scan_metadata(data)
        assert all(len(text) <= MAX_METADATA_BYTES for text in metadata.values())
