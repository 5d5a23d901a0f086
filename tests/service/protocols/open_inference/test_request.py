"""Whatever stands in a request: it is read, or refused with a problem of the sender's."""

import json
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.model import ZOO, open_model
from service.errors import Problem
from service.protocols.open_inference.request import read_raw, read_request
from service.protocols.open_inference.response import infer_response

CARDS = [open_model(ZOO / f"{name}.onnx").card for name in ("digits-linear", "cars-mlp")]

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SHAPE = st.lists(st.sampled_from([0, 1, 2, 3, 28, 32, -1, 2**70]), max_size=5) | st.sampled_from(
    [[1, 28, 28, 1], [2, 28, 28, 1], [1, 32, 32, 3], [2], [1, 1]]
)


def or_anything(strategy):
    return strategy | ANYTHING


TENSOR = st.fixed_dictionaries(
    {},
    optional={
        "name": or_anything(st.sampled_from(["pixels", "picture"])),
        "datatype": or_anything(st.sampled_from(["UINT8", "BYTES", "FP32"])),
        "shape": or_anything(SHAPE),
        "data": or_anything(
            st.sampled_from([[0] * 784, [7] * 3072, [[[[1]] * 28] * 28], ["AAAA"], ["AAAA", "*"]])
        ),
        "parameters": or_anything(
            st.fixed_dictionaries(
                {}, optional={"binary_data_size": or_anything(st.sampled_from([0, 4, 784]))}
            )
        ),
    },
)
OUTPUT = st.fixed_dictionaries(
    {},
    optional={
        "name": or_anything(st.sampled_from(["probabilities", "value", "label", "familiar", "familiarity"])),
        "parameters": or_anything(
            st.fixed_dictionaries(
                {},
                optional={
                    "classification": or_anything(st.integers(0, 12)),
                    "binary_data": or_anything(st.booleans()),
                },
            )
        ),
    },
)
REQUEST = st.fixed_dictionaries(
    {"inputs": or_anything(st.lists(or_anything(TENSOR), max_size=2))},
    optional={
        "id": or_anything(st.text(max_size=5)),
        "outputs": or_anything(st.lists(or_anything(OUTPUT), max_size=3)),
        "parameters": or_anything(
            st.fixed_dictionaries({}, optional={"binary_data_output": or_anything(st.booleans())})
        ),
    },
)
BEHIND = st.sampled_from([b"", b"\0\0\0\0", bytes(784), struct.pack("<I", 2**32 - 1), b"\1\0\0\0a\1\0\0\0b"])


def outputs_for(request, card):
    count = len(request.pictures if request.pixels is None else request.pixels)
    return {name: np.full((count, 10) if name == "probabilities" else count, 0.1, np.float32)
            for name in card.outputs}  # fmt: skip


def read_or_problem(body, length, card):
    try:
        return read_request(body, length, card, 10**6)
    except Problem as problem:
        return problem


@settings(max_examples=400)
@given(request=REQUEST, behind=BEHIND, length=st.none() | st.integers(0, 3000), card=st.sampled_from(CARDS))
def test_any_request_in_json(request, behind, length, card):
    head = json.dumps(request).encode()
    read = read_or_problem(head + behind, len(head) if behind else length, card)
    if isinstance(read, Problem):
        assert read.status in (400, 413)
        assert read.detail.endswith(".")
    else:
        assert (read.pixels is None) != (read.pictures is None)
        answer = infer_response(read, card, outputs_for(read, card))
        described = json.loads(
            answer.body[: int(answer.headers.get("inference-header-content-length", 10**6))]
        )
        assert [one["name"] for one in described["outputs"]] == [one.name for one in read.outputs]


@given(body=st.binary(max_size=3000), card=st.sampled_from(CARDS))
def test_any_bytes_alone(body, card):
    read = read_raw(body, card)

    if read.pixels is None:
        assert read.pictures == [body]
    else:
        assert read.pixels.tobytes() == body
        assert read.pixels.shape[1:] == card.view.shape


@pytest.mark.parametrize(
    "start", [b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"RIFF1234WEBP", b"\0\0\0\x18ftypavif"]
)
def test_what_begins_as_a_picture_is_one_whatever_its_size(start):
    body = start.ljust(784, b"\0")

    assert read_raw(body, CARDS[0]).pictures == [body]
    assert read_raw(bytes(784), CARDS[0]).pixels.shape == (1, 28, 28, 1)
