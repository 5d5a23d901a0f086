"""Multipart forms: the same parts as python-multipart sees, however the bytes arrive, and limits."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from python_multipart.multipart import MultipartParser, parse_options_header

from service.errors import Malformed, TooLarge
from service.http.bodies.multipart import MAX_BOUNDARY_BYTES, MAX_PART_HEADER_BYTES, FormReader, Part


def read(chunks, boundary=b"x", parts=10, max_part_bytes=2**20) -> list[Part]:
    reader = FormReader(boundary, parts, max_part_bytes)
    found = [part for chunk in chunks for part in reader.feed(chunk)]
    reader.close()
    return found


def form(parts, boundary=b"x", before=b"", after=b"\r\n") -> bytes:
    body = b"".join(
        b'--%s\r\nContent-Disposition: form-data; name="%s"\r\nContent-Type: image/png\r\n\r\n%s\r\n'
        % (boundary, name, content)
        for name, content in parts
    )
    return before + body + b"--" + boundary + b"--" + after


def by_python_multipart(body: bytes, boundary: bytes) -> list[Part]:
    """The oracle."""
    parts: list[Part] = []
    value = bytearray()
    content = bytearray()
    names: list[str] = []

    def on_header_end():
        if b"form-data" in value:
            names.append(parse_options_header(bytes(value))[1][b"name"].decode())
        value.clear()

    def on_part_end():
        parts.append(Part(names[-1], bytes(content)))
        content.clear()

    parser = MultipartParser(
        boundary,
        {
            "on_header_value": lambda data, start, end: value.extend(data[start:end]),
            "on_header_end": on_header_end,
            "on_part_data": lambda data, start, end: content.extend(data[start:end]),
            "on_part_end": on_part_end,
        },
    )
    parser.write(body)
    parser.finalize()
    return parts


@settings(max_examples=300)
@given(
    parts=st.lists(
        st.tuples(
            st.sampled_from([b"image", b"model", b"images"]),
            st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", b"\r\n--", b"a", b"\0\xff"])).map(b"".join),
        ),
        min_size=1,
        max_size=6,
    ),
    cuts=st.lists(st.integers(0, 600), max_size=8),
)
def test_the_same_parts_as_python_multipart_wherever_the_body_is_cut(parts, cuts):
    body = form(parts, b"boundary")
    places = sorted({min(cut, len(body)) for cut in cuts} | {0, len(body)})
    chunks = [body[start:end] for start, end in pairwise(places)]

    assert read(chunks, b"boundary") == by_python_multipart(body, b"boundary")


@settings(max_examples=300)
@given(body=st.lists(st.sampled_from([b"--x", b"\r\n", b"--", b"name", b": ", b"\xff", b"a"])).map(b"".join))
def test_whatever_comes_is_parts_or_a_problem(body):
    try:
        parts = read([body])
    except (Malformed, TooLarge):
        return
    assert all(isinstance(part, Part) for part in parts)


def test_preamble_and_epilogue_are_ignored():
    body = form([(b"image", b"1")], before=b"For readers of mail\r\n", after=b"\r\nThe end --x--\r\n")

    assert read([body, b"--x\r\nmore"]) == [Part("image", b"1")]


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        pytest.param(b"", "closing boundary", id="empty"),
        pytest.param(form([(b"image", b"1")])[:-6], "closing boundary", id="breaks-off"),
        pytest.param(b"--x\r\nno headers\r\n--x--", "segment header", id="no-empty-line"),
        pytest.param(b"--xy\r\n\r\n\r\n--x--", "after first boundary", id="another-boundary"),
        pytest.param(b"--x\n\n1\n--x--", "line break", id="bare-line-feeds"),
        pytest.param(
            b"--x\r\nA: " + b"a" * MAX_PART_HEADER_BYTES + b"\r\n\r\n1\r\n--x--",
            "header length",
            id="long-headers",
        ),
        pytest.param(
            b"--x\r\nContent-Disposition: form-data; name=image\r\n"
            b"Content-Disposition: form-data; name=model\r\n\r\n1\r\n--x--",
            "two Content-Disposition",
            id="two-names",
        ),
    ],
)
def test_malformed_forms(body, detail):
    with pytest.raises(Malformed, match=detail):
        read([body])


def test_boundaries():
    assert read([form([(b"image", b"1")], b"b" * MAX_BOUNDARY_BYTES)], b"b" * MAX_BOUNDARY_BYTES)
    for boundary in (b"", b"b" * (MAX_BOUNDARY_BYTES + 1)):
        with pytest.raises(Malformed, match="boundary"):
            FormReader(boundary, 1, 2**20)


def test_there_are_only_so_many_parts():
    assert len(read([form([(b"a", b"")] * 3)], parts=3)) == 3
    with pytest.raises(TooLarge, match="more parts"):
        read([form([(b"a", b"")] * 4)], parts=3)


def test_one_part_has_only_so_many_bytes():
    assert read([form([(b"a", bytes(100))])], max_part_bytes=100)
    with pytest.raises(TooLarge, match="100 bytes"):
        read([form([(b"a", bytes(101))])], max_part_bytes=100)


def test_file_names_come_in_every_encoding():
    head = b'Content-Disposition: form-data; name="image"; filename="Stra\xdfe.jpg"'

    assert read([b"--x\r\n" + head + b"\r\n\r\n1\r\n--x--"]) == [Part("image", b"1")]


def test_a_part_without_a_name_is_ignored_by_name_and_counted():
    nameless = b"--x\r\nA: b\r\n\r\n1\r\n"

    assert read([nameless + form([(b"image", b"2")])]) == [Part("", b"1"), Part("image", b"2")]
    with pytest.raises(TooLarge, match="more parts"):
        read([nameless * 4 + b"--x--"], parts=3)
