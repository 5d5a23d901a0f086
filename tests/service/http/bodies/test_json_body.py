"""JSON in bodies: strict, and bounded before it takes memory."""

import pytest

from service.errors import Malformed, TooLarge
from service.http.bodies.json_body import MAX_VALUES, parse_json, parse_object


def test_values():
    assert parse_json(b'[1, 2.5, "three", null, true]') == [1, 2.5, "three", None, True]
    assert parse_object(b"") == {}


@pytest.mark.parametrize(
    "body", [b"[NaN]", b"[Infinity]", b"[" * 10_000 + b"]" * 10_000, b"{'a': 1}", b"\xff"]
)
def test_what_is_no_json(body):
    with pytest.raises(Malformed, match="not JSON"):
        parse_json(body)


def test_an_object_is_one():
    with pytest.raises(Malformed, match="JSON object"):
        parse_object(b"[]")


@pytest.mark.parametrize(
    "body",
    [b"[" + b"1," * MAX_VALUES + b"1]", b"[" + b"[]," * MAX_VALUES + b"1]", b"[" * (MAX_VALUES + 1)],
    ids=["numbers", "lists", "beginnings"],
)
def test_more_values_than_are_read(body):
    with pytest.raises(TooLarge, match="values"):
        parse_json(body)


def test_as_many_values_as_are_read():
    body = b"[" + b"1," * (MAX_VALUES - 1) + b"1]"
    assert len(parse_json(body)) == MAX_VALUES
    assert len(parse_json(b'"' + b"A" * (2 * MAX_VALUES) + b'"')) == 2 * MAX_VALUES
