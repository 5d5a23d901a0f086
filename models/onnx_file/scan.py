"""A scan of an .onnx file's bytes before onnxruntime parses them.

Accepted are standard operators only, without control flow, functions, tensor data in other files, or tensors
that declare more values than the file holds. So opening a file reads no other file, and its bytes back the
sizes it declares; what its operators take when they run is the sandbox's concern (docs/decisions/0013).
Sources: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto,
https://protobuf.dev/programming-guides/encoding/
"""

import math
from collections.abc import Iterator

from models.onnx_file.printable import printable

MAX_FIELDS = 1_000_000
"""Protobuf fields scanned in one file. cars-transfer, with 282 operators, has 6,640."""

MAX_METADATA_BYTES = 4 * 2**20
"""Of one metadata entry, such as the card. The largest card here has 20 KB."""

MAX_DIMS = 32

VALUES_PER_BYTE = 4
"""At most: the smallest type of ONNX has two bits."""

STANDARD_DOMAINS = (b"", b"ai.onnx")
"""Domains of the operators that the ONNX standard defines."""

# Field numbers in onnx.proto.
MODEL_GRAPH, MODEL_METADATA, MODEL_FUNCTIONS = 7, 14, 25
GRAPH_NODE, GRAPH_INITIALIZER, GRAPH_SPARSE_INITIALIZER = 1, 5, 15
ENTRY_KEY, ENTRY_TEXT = 1, 2
NODE_OPERATOR, NODE_ATTRIBUTE, NODE_DOMAIN = 4, 5, 7
ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS, ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
TENSOR_DIMS, TENSOR_NAME, TENSOR_EXTERNAL, TENSOR_LOCATION = 1, 8, 13, 14
TENSOR_DATA = (4, 5, 6, 7, 9, 10, 11)

FieldValue = int | memoryview
"""Of a field: a number, or the bytes of a string, of a message or of packed numbers."""


class OnnxFileError(Exception):
    """A file that onnxruntime must not open; the message says why."""


def scan_metadata(data: bytes) -> dict[str, str]:
    """Scan a model file and return the texts in its metadata by key.

    Raises:
        OnnxFileError: The file is not to be trusted.
    """
    return _Scan().model(data)


class _Scan:
    """One pass over a model's protobuf messages, up to the first violation."""

    def __init__(self) -> None:
        self._fields_left = MAX_FIELDS

    def model(self, data: bytes) -> dict[str, str]:
        """Scan the whole message; return its metadata."""
        metadata: dict[str, str] = {}
        graphs = 0
        for number, value in self._fields(memoryview(data)):
            if number == MODEL_GRAPH:
                graphs += 1
                self._graph(value)
            elif number == MODEL_FUNCTIONS:
                raise OnnxFileError("it has functions of its own; inline them (onnx.inliner)")
            elif number == MODEL_METADATA:
                key, text = self._metadata_entry(value)
                if key in metadata:
                    raise OnnxFileError(f"its metadata has {printable(key)} twice")
                metadata[key] = text
        if graphs != 1:
            raise OnnxFileError(f"it has {graphs} graphs, not one")
        return metadata

    def _metadata_entry(self, entry: FieldValue) -> tuple[str, str]:
        texts = {ENTRY_KEY: b"", ENTRY_TEXT: b""}
        for number, value in self._fields(_message(entry)):
            if len(_message(value)) > MAX_METADATA_BYTES:
                raise OnnxFileError(
                    f"its metadata has an entry of {len(_message(value)):,} bytes; at most"
                    f" {MAX_METADATA_BYTES:,} are read"
                )
            if number in texts:
                texts[number] = bytes(_message(value))
        try:
            return texts[ENTRY_KEY].decode(), texts[ENTRY_TEXT].decode()
        except UnicodeDecodeError:
            raise OnnxFileError("its metadata is not text") from None

    def _graph(self, graph: FieldValue) -> None:
        for number, value in self._fields(_message(graph)):
            if number == GRAPH_NODE:
                self._node(value)
            elif number == GRAPH_INITIALIZER:
                self._tensor(value)
            elif number == GRAPH_SPARSE_INITIALIZER:
                raise OnnxFileError("it has sparse tensors, which may declare any size")

    def _node(self, node: FieldValue) -> None:
        operator = b""
        for number, value in self._fields(_message(node)):
            if number == NODE_OPERATOR:
                operator = bytes(_message(value)[:64])
            elif number == NODE_DOMAIN and bytes(_message(value)[:64]) not in STANDARD_DOMAINS:
                raise OnnxFileError(
                    f"it needs operators of {printable(bytes(_message(value)[:64]))}; only ONNX's own are run"
                )
            elif number == NODE_ATTRIBUTE:
                self._attribute(value, operator)

    def _attribute(self, attribute: FieldValue, operator: bytes) -> None:
        for number, value in self._fields(_message(attribute)):
            if number in ATTRIBUTE_TENSORS:
                self._tensor(value)
            elif number in ATTRIBUTE_GRAPHS:
                raise OnnxFileError(f"it has control flow ({printable(operator)}), which may never end")
            elif number in ATTRIBUTE_SPARSE:
                raise OnnxFileError("it has sparse tensors, which may declare any size")

    def _tensor(self, tensor: FieldValue) -> None:
        name, dims, data_bytes = b"", [], 0
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
                data_bytes += 1 if isinstance(value, int) else len(value)
        if len(dims) > MAX_DIMS:
            raise OnnxFileError(f"its tensor {printable(name)} has {len(dims):,} dimensions")
        # A negative dimension is a varint with its highest bit set, which exceeds any file.
        declared = math.prod(dims)
        if declared > VALUES_PER_BYTE * data_bytes:
            raise OnnxFileError(
                f"its tensor {printable(name)} declares {declared:,} values in {data_bytes:,} bytes"
                if declared < 2**63
                else f"its tensor {printable(name)} declares a size that cannot be"
            )

    def _packed(self, numbers: memoryview) -> Iterator[int]:
        offset = 0
        while offset < len(numbers):
            self._count()
            number, offset = _varint(numbers, offset)
            yield number

    def _fields(self, message: memoryview) -> Iterator[tuple[int, FieldValue]]:
        """Number and value of each field, in the order of the message."""
        offset, end = 0, len(message)
        while offset < end:
            self._count()
            tag, offset = _varint(message, offset)
            start = offset
            match tag & 7:  # the wire type
                case 0:
                    number, offset = _varint(message, offset)
                    yield tag >> 3, number
                    continue
                case 1:
                    offset += 8
                case 2:
                    length, start = _varint(message, offset)
                    offset = start + length
                case 5:
                    offset += 4
                case _:
                    raise OnnxFileError("its bytes are no ONNX model")
            if offset > end:
                raise OnnxFileError("it ends in the middle, or its bytes are no ONNX model; copy it again")
            yield tag >> 3, message[start:offset]

    def _count(self) -> None:
        self._fields_left -= 1
        if self._fields_left < 0:
            raise OnnxFileError(f"it has more than {MAX_FIELDS:,} fields, more than a network needs")


def _varint(message: memoryview, offset: int) -> tuple[int, int]:
    """The number at `offset`, and the offset behind it."""
    number = 0
    for position, byte in enumerate(message[offset : offset + 10]):
        number |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            return number, offset + position + 1
    raise OnnxFileError("it ends in the middle, or its bytes are no ONNX model; copy it again")


def _message(value: FieldValue) -> memoryview:
    if isinstance(value, int):
        raise OnnxFileError("its bytes are no ONNX model")
    return value
