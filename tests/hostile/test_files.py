"""Hostile files over HTTP: refused with a reason, or answered; and the server is there afterwards."""

import io
import json
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from loadtests.hostile import files
from loadtests.hostile.requests import request
from models.image.decode import FORMATS, open_picture
from tests.support.http_calls import PNG
from tests.support.images import pictures

SCENE = pictures.landscape(48, 32)
open_picture(PNG, 28)  # registers HEIF, so that Pillow can write it here
ENCODED = {kind: pictures.encoded(SCENE, kind) for kind in FORMATS}
ABSURD, ENDLESS, INFLATING = files.too_many_pixels(), files.too_many_blocks(2 * 2**20), files.inflating()

LONGEST = {"WEBP": 16_383, "HEIF": 4_000}
"""Pixels on a side that the format, or its encoder, can do."""


def post(client, image, name="a.png", content_type="image/png"):
    return client.post("/classify", files={"image": (name, image, content_type)})


@pytest.mark.parametrize("data", ABSURD.values(), ids=ABSURD)
def test_absurd_sizes_are_refused_by_the_header(client, data):
    answer = post(client, data)

    assert (answer.status_code, answer.json()["title"]) == (413, "Too large"), answer.text


@pytest.mark.parametrize("data", ENDLESS.values(), ids=ENDLESS)
def test_endless_files_are_refused(client, data):
    answer = post(client, data)

    assert answer.status_code == 422
    assert "more blocks of metadata" in answer.json()["detail"]


@pytest.mark.parametrize("data", INFLATING.values(), ids=INFLATING)
def test_inflating_files_are_answered_or_refused(client, data):
    assert post(client, data).status_code in (200, 422)


@pytest.mark.parametrize("kind", FORMATS)
def test_truncated_at_every_percent(tell, kind):
    """All cuts of one file on one connection, one behind the other."""
    whole = ENCODED[kind]
    cuts = [whole[: len(whole) * percent // 100] for percent in range(1, 100)]
    sent = b"".join(
        request(cut, b"image/png", headers=(b"X-Request-ID: %d" % percent,), close=percent == 99)
        for percent, cut in enumerate(cuts, 1)
    )
    answers = tell(sent)

    assert [answer.headers["x-request-id"] for answer in answers] == [str(n) for n in range(1, 100)]
    assert {answer.status for answer in answers} <= {200, 413, 415, 422}
    assert {answer.status for answer in answers[:30]} & {415, 422}


@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (20_000, 1), (2, 2), (1, 3), (20_000, 30)])
@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("path", ["/classify", "/price"])
def test_odd_sizes_are_answered(client, path, kind, size):
    width, height = (min(side, LONGEST.get(kind, side)) for side in size)
    image = pictures.encoded(Image.new("RGB", (width, height), (200, 90, 30)), kind)

    assert client.post(path, files={"image": image}).status_code == 200


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.exe", "image/x-no-such"),
        ("a.svg", "image/svg+xml"),
        ("a.html", "text/html"),
        ("", ""),
        ("a", "\t/;"),
    ],
)
def test_the_bytes_say_what_a_file_is(client, kind, name, content_type):
    assert post(client, ENCODED[kind], name, content_type).status_code == 200


def polyglots() -> dict[str, bytes]:
    archive = io.BytesIO(PNG)
    with zipfile.ZipFile(archive, "a") as zipped:
        zipped.writestr("page.html", "<script>alert(1)</script>")
    script = b"*/=1;alert(1)/*"
    return {
        "png-and-zip": archive.getvalue(),
        "gif-and-script": files.gif(10, 10, b"!\xfe" + bytes([len(script)]) + script + b"\0"),
        "jpeg-and-html": ENCODED["JPEG"] + b"<html><script>alert(1)</script>",
        "png-and-php": PNG + b"<?php system($_GET['a']); ?>",
        "bmp-and-pdf": ENCODED["BMP"] + b"%PDF-1.7",
    }


POLYGLOTS = polyglots()


@pytest.mark.parametrize("data", POLYGLOTS.values(), ids=POLYGLOTS)
def test_what_is_two_things_is_a_picture_here(client, data):
    answer = post(client, data)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert b"alert" not in answer.content


def test_a_batch_names_each_of_them(client):
    images = [*files.too_many_pixels().values(), PNG, PNG[:300], b"text"]
    answers = client.post("/classify/batch", files=[("images", image) for image in images]).json()["answers"]

    statuses = [answer.get("error", {"status": 200})["status"] for answer in answers]
    assert statuses == [413] * (len(images) - 3) + [200, 422, 415]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(FORMATS),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=8)), max_size=9
    ),
)
def test_changed_bytes_are_answered_or_refused(client, kind, changes):
    data = bytearray(ENCODED[kind])
    for place, value in changes:
        at = int(place * len(data))
        data[at : at + len(value)] = value
    answer = post(client, bytes(data))

    assert answer.status_code in (200, 413, 415, 422)
    json.loads(answer.text)
