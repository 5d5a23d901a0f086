"""Pictures inside JSON: every form of one, and what is none."""

import base64

import pytest

from service.errors import Malformed
from service.protocols.base64_picture import picture_of
from tests.support.http_calls import PNG

B64 = base64.b64encode(PNG).decode()


@pytest.mark.parametrize(
    "item",
    [
        B64,
        base64.encodebytes(PNG).decode(),
        f"data:image/png;base64,{B64}",
        {"b64": B64},
        {"image": B64},
        {"image": {"b64": B64}},
        {"image": f"data:;base64,{B64}"},
        {"image": [{"b64": B64}]},
        {"content": B64, "mimeType": "image/png"},
        {"key": "1", "image_bytes": {"b64": B64}},
        {"input_1": B64},
        [B64],
        B64.rstrip("="),
        B64.replace("+", "-").replace("/", "_"),
    ],
    ids=str,
)
def test_forms_of_a_picture(item):
    assert picture_of(item) == PNG


@pytest.mark.parametrize(
    ("item", "says"),
    [
        (None, "in base64"),
        (7, "in base64"),
        (1e308, "in base64"),
        ({}, "Name the picture"),
        ([], "in base64"),
        ([B64, B64], "in base64"),
        ({"a": B64, "b": B64}, "Name the picture"),
        ({"image": {"image": {"image": {"image": {"image": B64}}}}}, "in base64"),
        ("", None),
        ("%%%", "not base64"),
        (B64[:-2] + "!", "not base64"),
        (B64 + "A", "not base64"),
        ("\ud800", "not base64"),
        ("Ünïcode", "not base64"),
        ("data:image/png,raw", "in base64"),
        ("https://example.org/7.png", "not fetched"),
        ({"url": "gs://bucket/7.png"}, "not fetched"),
        ("file:///etc/passwd", "not fetched"),
    ],
    ids=str,
)
def test_what_is_no_picture(item, says):
    if says is None:
        assert picture_of(item) == b""  # its bytes then say that they are no picture
        return
    with pytest.raises(Malformed, match=says):
        picture_of(item)
