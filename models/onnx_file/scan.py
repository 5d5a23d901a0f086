"""A look through the bytes of an .onnx file, before onnxruntime sees them.

Only what must be known to trust it is read from its protobuf messages: no data that lies in other files,
standard operators only, no control flow, no functions of its own, no tensor that declares more values than
the file holds. So no other file is opened and no memory taken on a stranger's word.
Sources: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto,
https://protobuf.dev/programming-guides/encoding/
"""

import math
from collections.abc import Iterator

MAX_FIELDS = 1_000_000
"""Fields that are looked at in one file: cars-transfer, with 282 operators, has 6,640."""

MAX_METADATA_BYTES = 4 * 2**20
"""Of one entry of the metadata, the card among them: the largest card here has 20 KB."""

MAX_DIMS = 32

VALUES_PER_BYTE = 4
"""The smallest type of ONNX has two bits."""

STANDARD = (b"", b"ai.onnx")
"""The domains of the operators that ONNX itself defines; all others do what their authors like."""

# Numbers of fields in onnx.proto.
MODEL_GRAPH, MODEL_METADATA, MODEL_FUNCTIONS = 7, 14, 25
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_SPARSE_INITIALIZER = 1, 5, 15
NODE_OPERATOR, NODE_ATTRIBUTE, NODE_DOMAIN = 4, 5, 7
ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS, ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
TENSOR_DIMS, TENSOR_NAME, TENSOR_EXTERNAL, TENSOR_LOCATION = 1, 8, 13, 14
TENSOR_DATA = (4, 5, 6, 7, 9, 10, 11)

Value = int | memoryview
"""Of one field: a number, or the bytes of a string, a message or packed numbers."""


class OnnxFileError(Exception):
    """A file that must not be given to onnxruntime; the message says why."""


def scan_metadata(data: bytes) -> dict[str, str]:
    """The texts in a model's metadata by name. Raises OnnxFileError where the model is not to be trusted."""
    return _Scan().model(data)


class _Scan:
    """One look through a model's messages. Raises OnnxFileError at the first thing that may not be."""

    def __init__(self) -> None:
        self._left = MAX_FIELDS

    def model(self, data: bytes) -> dict[str, str]:
        """The entries of its metadata."""
        metadata: dict[str, str] = {}
        graphs = 0
        for number, value in self._fields(memoryview(data)):
            if number == MODEL_GRAPH:
                graphs += 1
                self._graph(value)
            elif number == MODEL_FUNCTIONS:
                raise OnnxFileError("it has functions of its own; inline them (onnx.inliner)")
            elif number == MODEL_METADATA:
                name, text = self._entry(value)
                if name in metadata:
                    raise OnnxFileError(f"its metadata has {printable(name)} twice")
                metadata[name] = text
        if graphs != 1:
            raise OnnxFileError(f"it has {graphs} graphs, not one")
        return metadata

    def _entry(self, entry: Value) -> tuple[str, str]:
        texts = {1: b"", 2: b""}
        for number, value in self._fields(_message(entry)):
            if len(_message(value)) > MAX_METADATA_BYTES:
                raise OnnxFileError(
                    f"its metadata has an entry of {len(_message(value)):,} bytes; at most"
                    f" {MAX_METADATA_BYTES:,} are read"
                )
            if number in texts:
                texts[number] = bytes(_message(value))
        try:
            return texts[1].decode(), texts[2].decode()
        except UnicodeDecodeError:
            raise OnnxFileError("its metadata is not text") from None

    def _graph(self, graph: Value) -> None:
        for number, value in self._fields(_message(graph)):
            if number == GRAPH_NODE:
                self._node(value)
            elif number == GRAPH_INITIALIZER:
                self._tensor(value)
            elif number == GRAPH_SPARSE_INITIALIZER:
                raise OnnxFileError("it has sparse tensors, which may declare any size")

    def _node(self, node: Value) -> None:
        operator = b""
        for number, value in self._fields(_message(node)):
            if number == NODE_OPERATOR:
                operator = bytes(_message(value)[:64])
            elif number == NODE_DOMAIN and bytes(_message(value)[:64]) not in STANDARD:
                raise OnnxFileError(
                    f"it needs operators of {printable(bytes(_message(value)[:64]))}; only ONNX's own are run"
                )
            elif number == NODE_ATTRIBUTE:
                self._attribute(value, operator)

    def _attribute(self, attribute: Value, operator: bytes) -> None:
        for number, value in self._fields(_message(attribute)):
            if number in ATTRIBUTE_TENSORS:
                self._tensor(value)
            elif number in ATTRIBUTE_GRAPHS:
                raise OnnxFileError(f"it has control flow ({printable(operator)}), which may never end")
            elif number in ATTRIBUTE_SPARSE:
                raise OnnxFileError("it has sparse tensors, which may declare any size")

    def _tensor(self, tensor: Value) -> None:
        name, dims, held = b"", [], 0
        for number, value in self._fields(_message(tensor)):
            if number == TENSOR_NAME:
                name = bytes(_message(value)[:64])
            elif number == TENSOR_EXTERNAL or (number == TENSOR_LOCATION and value != 0):
                raise OnnxFileError(
                    "it keeps tensors in other files; save it as one (onnx.save_model without"
                    " save_as_external_data)"
                )
            elif number == TENSOR_DIMS:
                dims += [value] if isinstance(value, int) else list(self._packed(value))
            elif number in TENSOR_DATA:
                held += 1 if isinstance(value, int) else len(value)
        if len(dims) > MAX_DIMS:
            raise OnnxFileError(f"its tensor {printable(name)} has {len(dims):,} dimensions")
        # A negative size is a varint with its highest bit set: larger than any file.
        declared = math.prod(dims)
        if declared > VALUES_PER_BYTE * held:
            raise OnnxFileError(
                f"its tensor {printable(name)} declares {declared:,} values in {held:,} bytes"
                if declared < 2**63
                else f"its tensor {printable(name)} declares a size that cannot be"
            )

    def _packed(self, numbers: memoryview) -> Iterator[int]:
        at = 0
        while at < len(numbers):
            self._count()
            number, at = _varint(numbers, at)
            yield number

    def _fields(self, message: memoryview) -> Iterator[tuple[int, Value]]:
        """The fields of a message in their order: number and value."""
        at, end = 0, len(message)
        while at < end:
            self._count()
            tag, at = _varint(message, at)
            start = at
            match tag & 7:
                case 0:
                    number, at = _varint(message, at)
                    yield tag >> 3, number
                    continue
                case 1:
                    at += 8
                case 2:
                    length, start = _varint(message, at)
                    at = start + length
                case 5:
                    at += 4
                case _:
                    raise OnnxFileError("its bytes are no ONNX model")
            if at > end:
                raise OnnxFileError("it ends in the middle, or its bytes are no ONNX model; copy it again")
            yield tag >> 3, message[start:at]

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise OnnxFileError(f"it has more than {MAX_FIELDS:,} fields, more than a network needs")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number that begins at `at`, and where the next thing begins."""
    number = 0
    for place, byte in enumerate(message[at : at + 10]):
        number |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return number, at + place + 1
    raise OnnxFileError("it ends in the middle, or its bytes are no ONNX model; copy it again")


def _message(value: Value) -> memoryview:
    if isinstance(value, int):
        raise OnnxFileError("its bytes are no ONNX model")
    return value


def printable(text: str | bytes) -> str:
    """A stranger's text as it may stand in a message: short, on one line, nothing that a terminal obeys."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    plain = " ".join("".join(sign if sign.isprintable() else " " for sign in text[:1000]).split())
    return plain if len(plain) <= 300 else plain[:300] + "..."
