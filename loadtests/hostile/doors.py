"""Malformed requests to foreign protocols: JSON that lies, tensors whose sizes do not add up."""

import base64
import functools
import gzip
import itertools
import json
import struct
from collections.abc import Iterator

from loadtests.hostile.requests import HostileRequest, request

JSON = b"application/json"
REFUSED = (400, 404, 413, 415, 422)
EACH_REFUSED = (200, *REFUSED)
"""Also where each picture of many gets an error of its own."""

MODEL = b"digits-cnn"
INFER = b"POST /v2/models/" + MODEL + b"/infer HTTP/1.1"
DEEP = 10_000
MANY = 10**6

# The request line of each door that takes JSON, and the member that its pictures stand in.
ROWS: tuple[tuple[str, bytes, str], ...] = (
    ("kserve", b"POST /v1/models/" + MODEL + b":predict HTTP/1.1", "instances"),
    ("kserve-inputs", b"POST /v1/models/" + MODEL + b":predict HTTP/1.1", "inputs"),
    ("kserve-examples", b"POST /v1/models/" + MODEL + b":classify HTTP/1.1", "examples"),
    ("invocations", b"POST /invocations HTTP/1.1", "instances"),
    ("invocations-inputs", b"POST /invocations HTTP/1.1", "inputs"),
    ("invocations-split", b"POST /invocations HTTP/1.1", "dataframe_split"),
    ("invocations-records", b"POST /invocations HTTP/1.1", "dataframe_records"),
    ("hugging-face", b"POST /hf/" + MODEL + b" HTTP/1.1", "inputs"),
    ("infer", INFER, "inputs"),
)

BODIES: tuple[tuple[str, bytes], ...] = (
    ("empty", b""), ("null", b"null"), ("list", b"[]"), ("number", b"1e999"), ("text", b'"a"'),
    ("cut", b'{"instances": ["'), ("nan", b'{"instances": [NaN], "inputs": [NaN]}'),
    ("deep-lists", b"[" * DEEP), ("deep", b'{"inputs":' * DEEP), ("utf-16", '{"a": 1}'.encode("utf-16")),
    ("not-utf-8", b'{"instances": ["\xff\xfe"], "inputs": "\xff"}'), ("nul", b"\0" * 100),
    ("comments", b"/* */ {}"), ("single-quotes", b"{'instances': []}"), ("trailing", b"{} {}"),
    ("long-number", b'{"instances": [' + b"9" * 100_000 + b"]}"), ("pickle", b"\x80\x04."),
)  # fmt: skip

ITEMS: tuple[object, ...] = (
    None, True, 5, -1.5, "", " ", {}, [], [[]], "=", "====", "A", "AAAA=", "\ud800", "\0", "ÿ" * 8,
    "http://127.0.0.1/seven.png", "file:///etc/passwd", "data:", "data:image/png;base64,", "data:,x",
    "data:image/png;base64,%00", {"b64": None}, {"b64": {"b64": "AAAA"}}, {"image": {"image": {}}},
    {"b64": "!" * 1_000}, {"url": "http://127.0.0.1/"}, "A" * 200_000, {"columns": 5, "data": None},
    {"columns": ["image"], "data": [[]]}, {"columns": ["a", "a"], "data": [[1, 2], [3]]}, {"name": "picture"},
)  # fmt: skip


def rows(png: bytes) -> Iterator[HostileRequest]:
    """Bodies that are no JSON, and pictures in JSON that are none."""
    picture = base64.b64encode(png).decode()

    def sent(name: str, first: bytes, body: bytes, *headers: bytes) -> HostileRequest:
        return HostileRequest(name, request(body, JSON, first, headers), EACH_REFUSED)

    for door, first, member in ROWS:
        for name, body in BODIES:
            yield sent(f"{door}-{name}", first, body)
        for number, item in enumerate(ITEMS):
            yield sent(f"{door}-item-{number}", first, _json({member: [item]}))
            yield sent(f"{door}-member-{number}", first, _json({member: item}))
        yield sent(f"{door}-257", first, _json({member: [picture] * 257}))
        yield sent(f"{door}-none", first, _json({member: []}))
        yield sent(f"{door}-million", first, b'{"%s": [%s0]}' % (member.encode(), b"0," * MANY))
        yield sent(f"{door}-twice", first, b'{"%s": [], "%s": 5}' % (member.encode(), member.encode()))
        yield sent(f"{door}-bomb", first, _bomb(), b"Content-Encoding: gzip")
        yield sent(f"{door}-no-gzip", first, _json({member: [picture]}), b"Content-Encoding: gzip")
        for number, parameters in enumerate(("x", [], {"top_k": -1}, {"top_k": 1e300}, {"model": 5})):
            yield sent(
                f"{door}-parameters-{number}", first, _json({member: picture, "parameters": parameters})
            )


def tensors(png: bytes) -> Iterator[HostileRequest]:
    """Requests of the Open Inference Protocol whose shapes, types and sizes are false."""
    pixels = bytes(28 * 28)
    good = {"name": "pixels", "shape": [1, 28, 28, 1], "datatype": "UINT8"}
    numbers = itertools.count()

    def sent(
        head: object, data: bytes = b"", length: bytes | None = None, kind: bytes = JSON
    ) -> HostileRequest:
        text = head if isinstance(head, bytes) else _json(head)
        declared = b"%d" % len(text) if length is None else length
        headers = (b"Inference-Header-Content-Length: " + declared,) if data or length is not None else ()
        return HostileRequest(f"tensor-{next(numbers)}", request(text + data, kind, INFER, headers), REFUSED)

    def binary(size: object, data: bytes = pixels, **changed: object) -> HostileRequest:
        return sent({"inputs": [good | changed | {"parameters": {"binary_data_size": size}}]}, data)

    for size in (0, 1, -1, 783, 785, 2**31, 2**63, 2**64, "784", 784.5, None, True, [784], {}):
        yield binary(size)
    for shape in (
        [], [0], [784], [1, 28, 28], [0, 28, 28, 1], [-1, 28, 28, 1], [1, 28, 28, 3], [2**31, 28, 28, 1],
        [2**62, 4, 1, 1], ["1", 28, 28, 1], [1.0, 28, 28, 1], None, 5, "1,28,28,1",
        [[1], 28, 28, 1], [1] * 10_000,
    ):  # fmt: skip
        yield binary(784, shape=shape)
        yield sent({"inputs": [good | {"shape": shape, "data": [0] * 784}]})
    for datatype in ("FP32", "INT8", "BYTES", "BOOL", "FP16", "uint8", "", None, 5, "UINT8\0", ["UINT8"]):
        yield binary(784, datatype=datatype)
    for data in (
        [], [0], [256] * 784, [-1] * 784, [0.5] * 784, ["0"] * 784, [None] * 784, [[0] * 784, [0]], {},
        "0" * 784, [True] * 784, [[[[0]]]], [0] * 785, [10**30] * 784,
    ):  # fmt: skip
        yield sent({"inputs": [good | {"data": data}]})
    yield sent({"inputs": [good | {"name": "other", "data": [0] * 784}]})
    yield sent({"inputs": [good | {"data": [0] * 784}] * 2})
    both = {"name": "picture", "shape": [1], "datatype": "BYTES", "data": [base64.b64encode(png).decode()]}
    yield sent({"inputs": [good | {"data": [0] * 784}, both]})
    overlapping = good | {"parameters": {"binary_data_size": 784}}
    yield sent({"inputs": [overlapping, overlapping]}, pixels)
    yield sent({"inputs": [overlapping]}, pixels * 2)
    for length in (b"-1", b"x", b"9" * 30, b"1", b"10000", b"1e3", b"0x10", b""):
        yield sent({"inputs": [overlapping]}, pixels, length)
    for lies in (b"", b"\0", b"\xff" * 4, struct.pack("<I", len(png) + 1) + png, struct.pack("<I", 0)):
        size = {"parameters": {"binary_data_size": len(lies)}}
        yield sent({"inputs": [{"name": "picture", "shape": [1], "datatype": "BYTES"} | size]}, lies or b" ")
    for number in (-1, "3", 2.5, [3]):
        outputs = [{"name": "probabilities", "parameters": {"classification": number}}]
        yield sent({"inputs": [good | {"data": [0] * 784}], "outputs": outputs})
    for outputs in ([{"name": "none"}], [5], 5, [{}], [{"name": None}], [{"name": "value"}] * 1_000):
        yield sent({"inputs": [good | {"data": [0] * 784}], "outputs": outputs})
    yield sent(b"no picture at all", length=b"0")
    yield sent(png[: len(png) // 2], length=b"0")


def all_requests(png: bytes) -> list[HostileRequest]:
    """All requests of this module, around a valid picture."""
    return [*rows(png), *tensors(png)]


@functools.cache
def _bomb() -> bytes:
    """A hundred megabytes of blanks, compressed."""
    return gzip.compress(b" " * 10**8, mtime=0)


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
