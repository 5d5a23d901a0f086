"""Pictures inside JSON: base64, with or without the head of a data URL."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from service.errors import Malformed

DATA_URL = re.compile(r"data:[\w.+-]*/?[\w.+-]*(?:;[\w=.+-]+)*;base64,", re.ASCII | re.IGNORECASE)

BASE64 = TypeAdapter(bytes, config=ConfigDict(val_json_bytes="base64"))
"""Twice as fast as the standard library's; takes the alphabet of URLs too, and text without its padding."""

USAGE = 'A picture is a string in base64, "data:image/png;base64,...", {"b64": "..."} or {"image": ...}.'

EXAMPLE = (
    "iVBORw0KGgoAAAANSUhEUgAAABwAAAAcAQAAAABaduI5AAAAP0lEQVR42mP8z8DwkYmBgYEBO8HIwcDEwPAHwmVh+H8CLgtlMfz/"
    "L/8BKvZfASb7zwEm++M/TPYn3FA+7LYBAJQLEBG+P7pOAAAAAElFTkSuQmCC"
)
"""A seven as a PNG of 28 x 28 pixels, for the examples in /docs.json."""

PICTURE_NAMES = ("image", "b64", "content", "image_bytes")
"""Members that hold a picture: our own, TensorFlow Serving's, Vertex AI's, and what many graphs have."""

MAX_WRAPPINGS = 4
"""Objects and lists of one around a picture: {"image": [{"b64": "..."}]}."""


def picture_name(names: Sequence[Any]) -> Any:
    """The name of the picture among the names of an object or a table: the only one, or a usual one.

    Raises:
        Malformed: There are several, and none of PICTURE_NAMES is among them.
    """
    found = names if len(names) == 1 else [name for name in PICTURE_NAMES if name in names]
    if not found:
        raise Malformed(f"Name the picture `image`; none of the names is one of {PICTURE_NAMES}.")
    return found[0]


def picture_of(item: Any) -> bytes:
    """The bytes of a picture that an item of JSON carries. No URL is ever fetched.

    Args:
        item: Text in base64, a data URL, {"b64": text}, {"image": any of these}, or a list of one of them.

    Raises:
        Malformed: It is none of these.
    """
    for _ in range(MAX_WRAPPINGS):
        if isinstance(item, dict):
            item = item[picture_name(list(item))]
        elif isinstance(item, list) and len(item) == 1:
            item = item[0]
    if not isinstance(item, str):
        raise Malformed(USAGE)
    if item[:5].lower() == "data:":
        head = DATA_URL.match(item)
        if head is None:
            raise Malformed(USAGE)
        item = item[head.end() :]
    elif "://" in item[:16]:
        raise Malformed("Pictures are not fetched from addresses; send the picture itself, in base64.")
    # Line breaks are what `base64 picture.png` prints.
    text = "".join(item.split()) if "\n" in item else item
    try:
        return BASE64.validate_strings(text)
    except ValueError:
        raise Malformed("This is not base64; encode the bytes of the picture with its alphabet.") from None
