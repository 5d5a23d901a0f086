"""An inference request: from the bytes of its body to pixels or pictures, and the outputs that it asks for.

Sources: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
and, for bytes behind the JSON, bytes alone, and classes:
https://github.com/triton-inference-server/server/tree/main/docs/protocol
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from models.card import Card, ClassifierCard
from models.image.views import Pixels
from service.errors import Malformed, TooLarge
from service.http.bodies.body import MAX_BATCH_PICTURES
from service.http.bodies.json_body import parse_object
from service.protocols.open_inference import tensors
from service.protocols.open_inference.tensors import inputs_of, outputs_of

PICTURE_STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*")
"""Of files in the formats that are opened, except those in boxes and chunks: AVIF, HEIF and WebP."""

MAX_TENSOR_PICTURES = 4096
"""As pixels in one request: seconds of work, and an answer of a megabyte."""


@dataclass(frozen=True, slots=True)
class RequestedOutput:
    """An output that is asked for.

    Attributes:
        is_binary: Whether as bytes behind the JSON.
        classes: How many of the most probable classes are to come in its place; 0 for the output itself.
    """

    name: str
    is_binary: bool = False
    classes: int = 0


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request, checked against the card of its model.

    Attributes:
        id: Of the client's, returned with the answer.
        outputs: In the order of the answer.
        pixels: uint8 (N, H, W, C), N at least 1; None where pictures were sent.
        pictures: The bytes of files, at least one; None where pixels were sent.
    """

    id: str | None
    outputs: Sequence[RequestedOutput]
    pixels: Pixels | None = None
    pictures: Sequence[bytes] | None = None


def json_length(headers: Mapping[bytes, bytes]) -> int | None:
    """How many bytes of the body are JSON; None for all of them.

    Raises:
        Malformed: Inference-Header-Content-Length is no number.
    """
    value = headers.get(b"inference-header-content-length")
    if value is None:
        return None
    if not value.isdigit() or len(value) > 18:
        raise Malformed("Inference-Header-Content-Length is the number of bytes of the JSON in the body.")
    return int(value)


def read_raw(body: bytes, card: Card) -> InferRequest:
    """A request that is nothing but the data of one input: a picture, or pixels.

    Bytes that begin as a picture does are one. Others are pixels if they are those of whole pictures.
    """
    outputs = [RequestedOutput(spec.name) for spec in outputs_of(card)]
    size = math.prod(card.view.shape)
    count, rest = divmod(len(body), size)
    if not count or rest or begins_as_picture(body):
        return InferRequest(None, outputs, pictures=[body])
    _check_count("pixels", count, MAX_TENSOR_PICTURES)
    return InferRequest(None, outputs, tensors.pixels_of_bytes(memoryview(body), (count, *card.view.shape)))


def begins_as_picture(data: bytes) -> bool:
    """Whether a file has the signature of one of the formats that are opened."""
    return data.startswith(PICTURE_STARTS) or data[4:8] == b"ftyp" or data[8:12] == b"WEBP"


def read_request(body: bytes, length: int | None, card: Card, max_json_bytes: int) -> InferRequest:
    """A request in JSON, of which the data may stand behind it.

    Args:
        body: All of it.
        length: Bytes of the JSON; None where it is all of the body.
        card: Of the model.
        max_json_bytes: That the JSON may have.

    Raises:
        Malformed: It is no such request, or none for this model.
        TooLarge: There are too many pictures, or there is too much JSON.
    """
    length = len(body) if length is None else length
    if length > len(body):
        raise Malformed(f"Inference-Header-Content-Length is {length:,}; the body has {len(body):,} bytes.")
    if length > max_json_bytes:
        raise TooLarge(f"The JSON is larger than {max_json_bytes:,} bytes; send the data in binary form.")
    request = parse_object(body[:length])
    given = request.get("id")
    if given is not None and not isinstance(given, str):
        raise Malformed("`id` must be a string.")
    outputs = _outputs(request, card)
    name, tensor = _the_input(request, card)
    data = _data(name, tensor, memoryview(body)[length:])
    shape = tensor.get("shape")
    if not isinstance(shape, list) or not all(type(size) is int for size in shape):
        raise Malformed(f"`{name}`: its `shape` must be a list of whole numbers.")
    if name == "pixels":
        return InferRequest(given, outputs, pixels=_pixels(data, shape, card))
    return InferRequest(given, outputs, pictures=_pictures(data, shape))


def _the_input(request: Mapping[str, Any], card: Card) -> tuple[str, Mapping[str, Any]]:
    """The name of the one input, and what was sent of it."""
    inputs = request.get("inputs")
    usage = f"{card.name} takes one input: `pixels`, or `picture` for files that are decoded and viewed here."
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise Malformed(f"Send `inputs` with one object in it; {usage}")
    spec = next((one for one in inputs_of(card) if one.name == inputs[0].get("name")), None)
    if spec is None:
        raise Malformed(usage)
    if inputs[0].get("datatype") != spec.datatype:
        raise Malformed(f"`{spec.name}`: its `datatype` must be {spec.datatype}.")
    return spec.name, inputs[0]


def _data(name: str, tensor: Mapping[str, Any], behind: memoryview) -> list[Any] | memoryview:
    """The data of an input: from the JSON, or all the bytes behind it."""
    size = _parameters(tensor, name).get("binary_data_size")
    if size is None:
        if behind:
            raise Malformed(f"{len(behind):,} bytes follow the JSON; `binary_data_size` says what they are.")
        data = tensor.get("data")
        if not isinstance(data, list):
            raise Malformed(f"`{name}`: send its `data` as a list, or in binary form: `binary_data_size`.")
        return data
    if "data" in tensor:
        raise Malformed(f"`{name}`: send its data in the JSON or behind it, not both.")
    if type(size) is not int or size != len(behind):
        raise Malformed(
            f"`{name}`: its `binary_data_size` must be {len(behind):,}, the bytes that follow the JSON;"
            " Inference-Header-Content-Length says where that ends."
        )
    return behind


def _pixels(data: list[Any] | memoryview, shape: list[int], card: Card) -> Pixels:
    if len(shape) != 4 or tuple(shape[1:]) != card.view.shape or shape[0] < 1:
        wanted = ", ".join(map(str, card.view.shape))
        raise Malformed(f"`pixels`: its `shape` must be [N, {wanted}], N from 1 on.")
    _check_count("pixels", shape[0], MAX_TENSOR_PICTURES)
    read = tensors.pixels_of_json if isinstance(data, list) else tensors.pixels_of_bytes
    return read(data, shape)  # type: ignore[arg-type]  # each for its own kind of data


def _pictures(data: list[Any] | memoryview, shape: list[int]) -> list[bytes]:
    if shape[1:] not in ([], [1]) or not shape or shape[0] < 1:
        raise Malformed("`picture`: its `shape` must be [N] or [N, 1], N from 1 on.")
    _check_count("picture", shape[0], MAX_BATCH_PICTURES)
    read = tensors.pictures_of_json if isinstance(data, list) else tensors.pictures_of_bytes
    return read(data, shape[0])  # type: ignore[arg-type]  # each for its own kind of data


def _check_count(name: str, count: int, limit: int) -> None:
    if count > limit:
        raise TooLarge(f"`{name}`: one request takes at most {limit:,} pictures; send several.")


def _outputs(request: Mapping[str, Any], card: Card) -> list[RequestedOutput]:
    """Those that are asked for; all where none is."""
    all_binary = _parameters(request, "request").get("binary_data_output", False)
    if not isinstance(all_binary, bool):
        raise Malformed("`binary_data_output` must be true or false.")
    asked = request.get("outputs") or []
    if not isinstance(asked, list) or not all(isinstance(one, dict) for one in asked):
        raise Malformed("`outputs` must be a list of objects.")
    names = [spec.name for spec in outputs_of(card)]
    if not asked:
        return [RequestedOutput(name, all_binary) for name in names]
    outputs = [_output(one, names, all_binary, card) for one in asked]
    if len({one.name for one in outputs}) < len(outputs):
        raise Malformed("`outputs`: an output is there twice; ask for it once.")
    return outputs


def _output(asked: Mapping[str, Any], names: Sequence[str], all_binary: bool, card: Card) -> RequestedOutput:
    name = asked.get("name")
    if not isinstance(name, str) or name not in names:
        raise Malformed(f"{card.name} has the outputs {', '.join(names)}; ask for some of them.")
    parameters = _parameters(asked, name)
    is_binary, classes = parameters.get("binary_data", all_binary), parameters.get("classification", 0)
    if not isinstance(is_binary, bool):
        raise Malformed(f"`{name}`: its `binary_data` must be true or false.")
    if type(classes) is not int or classes < 0:
        raise Malformed(f"`{name}`: its `classification` must be a number of classes.")
    if classes and not (name == "probabilities" and isinstance(card, ClassifierCard)):
        raise Malformed(f"`{name}` has no classes; only `probabilities` takes `classification`.")
    return RequestedOutput(name, is_binary, classes)


def _parameters(owner: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    parameters = owner.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise Malformed(f"`parameters` of `{name}` must be a JSON object.")
    if "shared_memory_region" in parameters:
        raise Malformed("There is no shared memory here; send the data in the body.")
    return parameters
