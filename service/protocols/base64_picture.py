"""Pictures inside JSON: base64, with or without the head of a data URL."""

import binascii
import re
from typing import Any

from service.errors import Malformed

DATA_URL = re.compile(r"data:[\w.+-]*/?[\w.+-]*(?:;[\w=.+-]+)*;base64,", re.ASCII | re.IGNORECASE)

USAGE = 'A picture is a string in base64, "data:image/png;base64,...", {"b64": "..."} or {"image": ...}.'


def picture_of(item: Any) -> bytes:
    """The bytes of a picture that an item of JSON carries. No URL is ever fetched.

    Args:
        item: Text in base64, a data URL, {"b64": text}, or {"image": any of these}.

    Raises:
        Malformed: It is none of these.
    """
    if isinstance(item, dict) and "image" in item:
        item = item["image"]
    if isinstance(item, dict) and "b64" in item:
        item = item["b64"]
    if not isinstance(item, str):
        raise Malformed(USAGE)
    if item[:5].lower() == "data:":
        head = DATA_URL.match(item)
        if head is None:
            raise Malformed(USAGE)
        item = item[head.end() :]
    elif "://" in item[:16]:
        raise Malformed("Pictures are not fetched from addresses; send the picture itself, in base64.")
    try:
        # Line breaks are what `base64 picture.png` prints.
        return binascii.a2b_base64("".join(item.split()), strict_mode=True)
    except (ValueError, binascii.Error):
        raise Malformed(
            "This is not base64; encode the bytes of the picture with its standard alphabet."
        ) from None
