"""Requests that are none, over plain sockets: each is told so, and nothing leaks."""

import json

import httpx
import pytest

from loadtests.hostile.requests import all_requests, part, request
from tests.support.http_calls import PNG


@pytest.mark.parametrize("sent", all_requests(PNG), ids=lambda sent: sent.name)
def test_each_is_answered_as_it_should(tell, sent):
    answers = tell(sent.data, disconnect=sent.responses == 0)

    assert sent.allows([answer.status for answer in answers]), answers
    for answer in answers:
        assert "server" not in answer.headers
        assert "Traceback" not in answer.body.decode("utf-8", "replace")
        if "x-request-id" in answer.headers:  # otherwise it was no HTTP at all, and uvicorn said so
            assert answer.headers["x-content-type-options"] == "nosniff"
            if answer.status >= 400:
                assert answer.headers["content-type"] == "application/problem+json"
                assert json.loads(answer.body)["status"] == answer.status


def test_pipelined_requests_are_answered_in_order(tell):
    kinds = [PNG, b"text", PNG[:300], PNG] * 3
    sent = b"".join(
        request(body, b"image/png", headers=(b"X-Request-ID: r%d" % number,), close=number == len(kinds) - 1)
        for number, body in enumerate(kinds)
    )
    answers = tell(sent)

    assert [answer.status for answer in answers] == [200, 415, 422, 200] * 3
    assert [answer.headers["x-request-id"] for answer in answers] == [f"r{n}" for n in range(len(kinds))]


def test_no_second_request_hides_in_the_body_of_the_first(tell):
    """CL.TE and TE.CL, as a proxy in front might pass them on: one of them must not be read as two."""
    hidden = request(b"", first=b"GET /models HTTP/1.1")
    chunked = (b"Transfer-Encoding: chunked",)
    for body, length in ((b"0\r\n\r\n" + hidden, None), (hidden, b"0")):
        answers = tell(request(body, b"image/png", headers=chunked, length=length))

        assert [answer.status for answer in answers] == [400]


def test_a_part_cannot_take_the_place_of_another(tell):
    """However the second name is smuggled in, the picture is the one that is named `image`."""
    other = part(b"text", b'Content-Disposition: form-data; name="other"; filename="a\\"; name=\\"image"')
    body = other + part(PNG) + b"--x--\r\n"

    assert tell(request(body, b"multipart/form-data; boundary=x"))[0].status == 200


def test_upgrades_are_not_followed(tell):
    head = (b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13")
    key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
    answers = tell(request(first=b"GET /classify HTTP/1.1", headers=(*head, key)))

    assert [answer.status for answer in answers] in ([403], [404], [405])


@pytest.mark.parametrize("path", ["/", "/models", "/metrics", "/livez", "/docs.json", "/schema.json", "/x"])
def test_nobody_tells_versions(client: httpx.Client, path):
    answer = client.get(path)

    assert "server" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    told = str(dict(answer.headers)) + ("" if path == "/metrics" else answer.text)
    for maker in ("bentoml", "uvicorn", "python/", "pillow", "onnxruntime/"):
        assert maker not in told.lower().replace("application/vnd.bentoml", "")
