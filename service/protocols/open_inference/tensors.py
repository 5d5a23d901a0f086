"""Tensors on the wire: what models take and give, as JSON and as bytes.

BYTES as JSON are base64, as JSON has no bytes. As bytes they have four bytes of length each, little-endian.
Source: https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from models.card import Card, ClassifierCard
from models.image.views import Pixels
from service.errors import Malformed, TooLarge
from service.protocols.base64_picture import picture_of

LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor that a model takes or gives.

    Attributes:
        dims: Its shape without the first dimension, which is that of pictures.
    """

    name: str
    datatype: str
    dims: tuple[int, ...] = ()


def inputs_of(card: Card) -> tuple[TensorSpec, ...]:
    """Those of a model, of which a request sends one."""
    return TensorSpec("pixels", "UINT8", card.view.shape), TensorSpec("picture", "BYTES")


def outputs_of(card: Card) -> tuple[TensorSpec, ...]:
    """The outputs of the graph, then what they mean: the label, and whether the picture is familiar."""
    dims = {"probabilities": (len(card.labels),)} if isinstance(card, ClassifierCard) else {}
    graph = tuple(TensorSpec(name, "FP32", dims.get(name, ())) for name in card.outputs)
    label = (TensorSpec("label", "BYTES"),) if isinstance(card, ClassifierCard) else ()
    return (*graph, *label, TensorSpec("familiar", "BOOL"))


@dataclass(frozen=True, slots=True)
class OutputTensor:
    """A tensor of an answer.

    Attributes:
        values: An array of numbers, or texts.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    values: npt.NDArray[Any] | Sequence[str]

    def as_list(self) -> list[Any]:
        """Its data in JSON, flat."""
        return self.values.ravel().tolist() if isinstance(self.values, np.ndarray) else list(self.values)

    def as_bytes(self) -> bytes:
        """Its data in the binary extension."""
        if isinstance(self.values, np.ndarray):
            little_endian = self.values.dtype.newbyteorder("<")
            return self.values.astype(little_endian, copy=False).tobytes()
        texts = [value.encode() for value in self.values]
        return b"".join(chain.from_iterable((LENGTH.pack(len(text)), text) for text in texts))


def pixels_of_json(data: list[Any], shape: Sequence[int]) -> Pixels:
    """Pixels from numbers in lists, nested as the shape says or flat.

    Raises:
        Malformed: They are not as many as the shape says, or not whole numbers from 0 to 255.
    """
    level = data
    if data and isinstance(data[0], list):
        if len(data) != shape[0]:
            raise Malformed(f"`pixels`: its data has {len(data)} pictures, its shape says {shape[0]}.")
        for length in shape[1:]:
            if not all(isinstance(row, list) and len(row) == length for row in level):
                raise Malformed(
                    "`pixels`: nest its lists as its shape says, or send all numbers in one list."
                )
            level = list(chain.from_iterable(level))
    if len(level) != math.prod(shape):
        raise Malformed(
            f"`pixels`: its data has {len(level):,} numbers, its shape says {math.prod(shape):,}."
        )
    try:
        # As strict as it must be, which no conversion of NumPy's is; but true and false would be 1 and 0.
        packed = bytes(level) if set(map(type, level)) <= {int} else None
    except ValueError:
        packed = None
    if packed is None:
        raise Malformed("`pixels` is UINT8: whole numbers from 0 to 255.")
    return np.frombuffer(packed, np.uint8).reshape(shape)


def pixels_of_bytes(data: memoryview, shape: Sequence[int]) -> Pixels:
    """Pixels from their bytes, which are not copied.

    Raises:
        Malformed: They are not as many as the shape says.
    """
    if len(data) != math.prod(shape):
        raise Malformed(f"`pixels` has {len(data):,} bytes, its shape says {math.prod(shape):,}.")
    return np.frombuffer(data, np.uint8).reshape(shape)


def pictures_of_json(data: list[Any], count: int) -> list[bytes]:
    """Files from their base64, in one list or in lists of one.

    Raises:
        Malformed: They are not as many as `count`, or one is no base64; the message names it.
    """
    items = [item[0] if isinstance(item, list) and len(item) == 1 else item for item in data]
    if len(items) != count:
        raise Malformed(f"`picture`: its data has {len(items)} pictures, its shape says {count}.")
    pictures = []
    for index, item in enumerate(items):
        try:
            pictures.append(picture_of(item))
        except Malformed as problem:
            raise Malformed(f"picture[{index}]: {problem.detail}") from None
    return pictures


def pictures_of_bytes(data: memoryview, count: int) -> list[bytes]:
    """Files from their bytes, each behind its length.

    Raises:
        Malformed: The lengths are not those of `count` files.
    """
    pictures: list[bytes] = []
    start = 0
    while len(data) - start >= LENGTH.size and len(pictures) < count:
        (length,) = LENGTH.unpack_from(data, start)
        start += LENGTH.size
        if length > len(data) - start:
            raise Malformed(f"picture[{len(pictures)}] has {length:,} bytes, of which some are missing.")
        pictures.append(bytes(data[start : start + length]))
        start += length
    if len(pictures) != count or start != len(data):
        raise Malformed(
            f"`picture`: its shape says {count} pictures; send each behind its length, in four bytes,"
            " little-endian, and nothing else."
        )
    return pictures


def check_sizes(pictures: Sequence[bytes], limit: int) -> None:
    """Raise TooLarge where a file has more bytes than one may have."""
    for index, picture in enumerate(pictures):
        if len(picture) > limit:
            raise TooLarge(f"picture[{index}] is larger than {limit:,} bytes; this call takes no more.")
