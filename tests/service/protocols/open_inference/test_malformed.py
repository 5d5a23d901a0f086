"""Requests that are none: a 4xx in the protocol's own form, whatever is sent."""

import json
import struct

import pytest

from tests.service.protocols.open_inference.test_infer import HEADER, infer, picture, pixels, with_binary
from tests.support.http_calls import CLIENT, PNG

ONE = (1, 28, 28, 1)
BLACK = [0] * 784


def request(*inputs, **rest):
    return {"inputs": list(inputs), **rest}


def changed(**rest):
    """A tensor of one black picture, changed."""
    return request(pixels(ONE, data=BLACK) | rest)


def bytes_of(*lengths_and_data):
    return b"".join(struct.pack("<I", length) + data for length, data in lengths_and_data)


JSON = {
    "a-list": ([], "JSON object"),
    "no-inputs": ({}, "`inputs`"),
    "two-inputs": (request(pixels(ONE, data=BLACK), picture((1,), data=[""])), "one object"),
    "unknown-input": (changed(name="image"), "`pixels`, or `picture`"),
    "input-without-name": (request({"data": BLACK}), "`pixels`, or `picture`"),
    "input-is-text": (request("pixels"), "one object"),
    "floats-announced": (changed(datatype="FP32"), "must be UINT8"),
    "bytes-announced": (changed(name="picture"), "must be BYTES"),
    "no-shape": (changed(shape=None), "`shape`"),
    "shape-of-text": (changed(shape=["1", 28, 28, 1]), "`shape`"),
    "shape-of-true": (changed(shape=[True, 28, 28, 1]), "`shape`"),
    "no-picture": (changed(shape=[0, 28, 28, 1], data=[]), "[N, 28, 28, 1]"),
    "negative": (changed(shape=[-1, 28, 28, 1]), "[N, 28, 28, 1]"),
    "other-side": (changed(shape=[1, 14, 56, 1]), "[N, 28, 28, 1]"),
    "flat-shape": (changed(shape=[784]), "[N, 28, 28, 1]"),
    "shape-says-more": (changed(shape=[2, 28, 28, 1]), "its shape says 1,568"),
    "no-data": (request(pixels(ONE)), "`data`"),
    "data-is-text": (changed(data="AAAA"), "`data`"),
    "empty-data": (changed(data=[]), "its shape says 784"),
    "fractions": (changed(data=[0.5, *BLACK[1:]]), "0 to 255"),
    "256": (changed(data=[256, *BLACK[1:]]), "0 to 255"),
    "below-0": (changed(data=[-1, *BLACK[1:]]), "0 to 255"),
    "10-to-the-40": (changed(data=[10**40, *BLACK[1:]]), "0 to 255"),
    "text-among-numbers": (changed(data=["7", *BLACK[1:]]), "0 to 255"),
    "list-among-numbers": (changed(data=[0, [0], *BLACK[2:]]), "0 to 255"),
    "object-among-numbers": (changed(data=[{}, *BLACK[1:]]), "0 to 255"),
    "null": (changed(data=[None, *BLACK[1:]]), "0 to 255"),
    "ragged": (changed(data=[[[[0]] * 28] * 27 + [[[0]] * 27]]), "nest its lists"),
    "nested-half": (changed(data=[BLACK]), "nest its lists"),
    "a-picture-too-many": (changed(data=[[[[0]] * 28] * 28] * 2), "has 2 pictures"),
    "no-base64": (request(picture((2,), data=["AAAA", "*"])), "picture[1]"),
    "address": (request(picture((1,), data=["http://example.com/7.png"])), "not fetched"),
    "number-for-picture": (request(picture((1,), data=[7])), "picture[0]"),
    "picture-missing": (request(picture((2,), data=["AAAA"])), "its shape says 2"),
    "pictures-in-rows": (request(picture((1, 2), data=["AAAA"] * 2)), "[N, 1]"),
    "picture-without-shape": (request(picture((), data=["AAAA"])), "[N, 1]"),
    "id-is-a-number": (changed() | {"id": 7}, "`id`"),
    "outputs-is-text": (changed() | {"outputs": "label"}, "`outputs`"),
    "unknown-output": (changed() | {"outputs": [{"name": "logits"}]}, "probabilities"),
    "output-is-a-list": (changed() | {"outputs": [{"name": ["label"]}]}, "probabilities"),
    "output-twice": (changed() | {"outputs": [{"name": "label"}] * 2}, "twice"),
    "no-number-of-classes": (
        changed() | {"outputs": [{"name": "probabilities", "parameters": {"classification": "3"}}]},
        "number of classes",
    ),
    "negative-classes": (
        changed() | {"outputs": [{"name": "probabilities", "parameters": {"classification": -1}}]},
        "number of classes",
    ),
    "classes-of-labels": (
        changed() | {"outputs": [{"name": "label", "parameters": {"classification": 3}}]},
        "only `probabilities`",
    ),
    "binary-is-text": (
        changed() | {"outputs": [{"name": "label", "parameters": {"binary_data": "yes"}}]},
        "true or false",
    ),
    "all-binary-is-a-number": (changed() | {"parameters": {"binary_data_output": 1}}, "true or false"),
    "parameters-is-a-list": (changed() | {"parameters": [1]}, "`parameters`"),
    "shared-memory": (changed(parameters={"shared_memory_region": "x"}), "no shared memory"),
    "size-without-header": (request(pixels(ONE, parameters={"binary_data_size": 784})), HEADER),
}


def assert_refused(answer, status, said):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["error"]
    assert said in answer.json()["error"]


@pytest.mark.parametrize("case", JSON)
def test_in_json(server, case):
    body, said = JSON[case]
    assert_refused(infer(server, body), 400, said)


DEEP = b'{"inputs": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"
NAN = json.dumps(changed()).replace("[0, 0,", "[NaN, 0,").encode()
SURROGATE = rb'{"id": "\ud800"}'


@pytest.mark.parametrize(
    ("body", "headers", "status", "said"),
    [
        pytest.param(b"", {}, 400, "`inputs`", id="empty"),
        pytest.param(b"not JSON", {}, 400, "not JSON", id="text"),
        pytest.param(DEEP, {}, 400, "recursion", id="deep"),
        pytest.param(NAN, {}, 400, "not JSON", id="NaN"),
        pytest.param(SURROGATE, {}, 400, "not JSON", id="half-a-character"),
        pytest.param(b'{"inputs": [' + b"1," * 2**20 + b"1]}", {}, 413, "binary", id="a-million-values"),
        pytest.param(b'{"inputs": ' + b"[" * 2**21, {}, 413, "binary", id="a-million-lists"),
        pytest.param(b"{}", {HEADER: "-1"}, 400, HEADER, id="negative-header"),
        pytest.param(b"{}", {HEADER: "9" * 40}, 400, HEADER, id="endless-header"),
        pytest.param(b"{}", {HEADER: "two"}, 400, HEADER, id="header-in-words"),
        pytest.param(b"{}", {HEADER: "3"}, 400, "the body has 2", id="header-beyond-the-body"),
        pytest.param(b"", {HEADER: "0"}, 422, "empty", id="raw-nothing"),
        pytest.param(b"text", {HEADER: "0"}, 415, "PNG", id="raw-text"),
        pytest.param(PNG[:300], {HEADER: "0"}, 422, "picture", id="raw-broken"),
        pytest.param(b"{}", {"Content-Encoding": "br"}, 415, "gzip, deflate", id="brotli"),
        pytest.param(b"{}", {"Content-Encoding": "gzip"}, 400, "Content-Encoding", id="no-gzip"),
    ],
)
def test_bodies(server, body, headers, status, said):
    assert_refused(infer(server, body, **headers), status, said)


@pytest.mark.parametrize(
    ("tensor", "data", "said"),
    [
        pytest.param(pixels(ONE), bytes(783), "783 bytes", id="a-byte-short"),
        pytest.param(pixels(ONE), bytes(785), "785 bytes", id="a-byte-long"),
        pytest.param(pixels(ONE, data=BLACK), bytes(784), "not both", id="both"),
        pytest.param(picture((1,)), bytes_of((2**32 - 1, b"abc")), "some are missing", id="lying-length"),
        pytest.param(picture((1,)), b"\1\0", "four bytes", id="half-a-length"),
        pytest.param(picture((2,)), bytes_of((1, b"a")), "2 pictures", id="one-of-two"),
        pytest.param(picture((1,)), bytes_of((1, b"a"), (1, b"b")), "nothing else", id="two-of-one"),
        pytest.param(picture((1,)), bytes_of((1, b"a")) + b"more", "nothing else", id="more"),
    ],
)
def test_behind_the_json(server, tensor, data, said):
    body, headers = with_binary(tensor, data)
    assert_refused(infer(server, body, **headers), 400, said)


@pytest.mark.parametrize("size", [-1, 783, 785, 10**30, 784.0, "784", True, []])
def test_lying_sizes(server, size):
    head = json.dumps(request(pixels(ONE, parameters={"binary_data_size": size}))).encode()
    answer = infer(server, head + bytes(784), **{HEADER: str(len(head))})
    assert_refused(answer, 400, "must be 784")


def test_bytes_that_belong_to_nothing(server):
    head = json.dumps(changed()).encode()
    assert_refused(infer(server, head + b"more", **{HEADER: str(len(head))}), 400, "4 bytes follow")


@pytest.mark.parametrize(
    ("tensor", "data", "said"),
    [
        pytest.param(picture((257,)), bytes_of((1, b"a")) * 257, "at most 256", id="257-pictures"),
        pytest.param(pixels((4097, 28, 28, 1)), bytes(784 * 4097), "at most 4,096", id="4097-tensors"),
        pytest.param(pixels((10**30, 28, 28, 1)), b"", "at most 4,096", id="lying-shape"),
    ],
)
def test_too_many(server, tensor, data, said):
    body, headers = with_binary(tensor, data)
    assert_refused(infer(server, body, **headers), 413, said)


def test_too_many_raw_pixels(server):
    assert_refused(infer(server, bytes(784 * 4097), **{HEADER: "0"}), 413, "at most 4,096")


def test_a_bad_picture_is_named_by_its_index(server):
    body, headers = with_binary(picture((3,)), bytes_of((len(PNG), PNG), (len(PNG), PNG), (4, b"text")))
    assert_refused(infer(server, body, **headers), 415, "picture[2]: This is not a picture")


@pytest.mark.parametrize("path", ["/v2/models/digits-cnn/infer", "/v2/models/no-such-model/infer"])
def test_another_method(server, path):
    answer = CLIENT.get(server + path)
    assert_refused(answer, 405, "answers POST")
    assert answer.headers["allow"] == "POST"


def test_none_of_it_is_counted_as_a_failure_of_the_server(server):
    assert infer(server, {}).status_code == 400
    series = [line for line in CLIENT.get(f"{server}/metrics").text.splitlines() if "v2/models" in line]

    assert any('="400"' in line and "/v2/models/{name}/infer" in line for line in series)
    assert not [line for line in series if '="5' in line]
