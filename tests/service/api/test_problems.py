"""Requests that cannot be answered, over real HTTP: each is told why, as a problem."""

import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadtests.server import REPO
from tests.support.http_calls import CLIENT, PNG, post
from tests.support.images import pictures

JPEG = pictures.encoded(pictures.landscape(320, 240), "JPEG")


@pytest.mark.parametrize(
    ("path", "image", "status"),
    [
        pytest.param("/classify", b"", 422, id="0-bytes"),
        pytest.param("/classify", b"this is text", 415, id="text-named-png"),
        pytest.param("/classify", PNG[: len(PNG) // 2], 422, id="truncated-png"),
        pytest.param("/price", JPEG[: len(JPEG) // 2], 422, id="truncated-jpeg"),
        pytest.param("/price", b"GIF89a", 415, id="only-a-signature"),
    ],
)
def test_bad_pictures(server, path, image, status):
    assert_problem(post(server, path, image), status)


def test_more_pixels_than_allowed(server):
    assert_problem(post(server, image=pictures.encoded(pictures.Image.new("1", (9000, 9000)))), 413)


@pytest.mark.parametrize("path", ["/classify", "/price"])
@pytest.mark.parametrize("model", ["no-such-model", "../digits-cnn", "x" * 10_000, "nul\0", "%00"])
def test_unknown_models(server, path, model):
    problem = assert_problem(post(server, path, model=model), 404)

    assert "there are: " in problem["detail"]


def test_a_classifier_has_no_price(server):
    assert_problem(post(server, "/price", model="digits-cnn"), 404)


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        pytest.param(b"", None, id="empty-body"),
        pytest.param(b"", "multipart/form-data", id="no-boundary"),
        pytest.param(b"", "multipart/form-data; boundary=x", id="empty-form"),
        pytest.param(b"--x\r\n", "multipart/form-data; boundary=x", id="form-breaks-off"),
        pytest.param(b"nonsense", "multipart/form-data; boundary=x", id="no-form"),
        pytest.param(
            b"--x\r\n\xff\xfe: \x00\r\n\r\n--x--\r\n", "multipart/form-data; boundary=x", id="binary"
        ),
        pytest.param(b'{"image": "http://127.0.0.1/"}', "application/json", id="json"),
        pytest.param(b"image=http://127.0.0.1/", "application/x-www-form-urlencoded", id="url"),
        pytest.param(b"\x80\x04.", "application/vnd.bentoml+pickle", id="pickle"),
    ],
)
def test_malformed_forms(server, content, content_type):
    headers = {"Content-Type": content_type} if content_type else {}

    assert_problem(CLIENT.post(f"{server}/classify", content=content, headers=headers), 400)


@pytest.mark.parametrize("content_type", ["", "application/x-www-form-urlencoded"])
def test_a_picture_without_a_type_is_looked_at(server, content_type):
    typed = CLIENT.post(f"{server}/classify", content=PNG, headers={"Content-Type": "image/png"})
    untyped = CLIENT.post(f"{server}/classify", content=PNG, headers={"Content-Type": content_type})

    assert (untyped.status_code, untyped.json()["label"]) == (200, typed.json()["label"])


def test_missing_field(server):
    answer = CLIENT.post(f"{server}/classify", files={"picture": PNG})

    assert "`image` is missing" in assert_problem(answer, 400)["detail"]


def test_field_sent_twice(server):
    answer = CLIENT.post(f"{server}/classify", files=[("image", PNG), ("image", PNG)])

    assert "twice" in assert_problem(answer, 400)["detail"]


def test_a_url_is_never_fetched(server):
    """BentoML would open a URL given in place of a file; here it is a field with bytes."""
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.5)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/seven.png"
        assert_problem(CLIENT.post(f"{server}/classify", data={"image": url}, files={"model": b""}), 415)
        with pytest.raises(TimeoutError):
            trap.accept()


def test_body_that_is_too_large_is_refused_before_it_is_sent(server):
    """A declared length is refused at once; nothing of the body has to travel."""
    host, port = urlsplit(server).hostname, urlsplit(server).port
    with socket.create_connection((host, port), timeout=10) as connection:
        head = ("POST /classify HTTP/1.1", f"Host: {host}", f"Content-Length: {10**12}", "", "")
        connection.sendall("\r\n".join(head).encode())

        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


def test_body_that_grows_too_large_is_refused(server):
    def chunks():
        for _ in range(40):
            yield bytes(2**20)

    answer = CLIENT.post(f"{server}/classify", content=chunks(), headers={"Content-Type": "image/png"})

    assert_problem(answer, 413)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("GET", "/classify", 405), ("POST", "/models", 405), ("PUT", "/readyz", 405)],
)
def test_wrong_addresses(server, method, path, status):
    assert_problem(CLIENT.request(method, server + path), status)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(
        st.binary(max_size=400),
        st.binary(max_size=200).map(
            lambda data: b'--x\r\nContent-Disposition: form-data; name="image"\r\n\r\n' + data + b"\r\n--x--"
        ),
    ),
    content_type=st.sampled_from(["image/png", "multipart/form-data; boundary=x", "text/plain", "a/b/c;;="]),
)
def test_nothing_that_is_posted_is_a_500(server, content, content_type):
    answer = CLIENT.post(f"{server}/classify", content=content, headers={"Content-Type": content_type})

    assert_problem(answer, answer.status_code)
    assert 400 <= answer.status_code < 500


def assert_problem(answer: httpx.Response, status: int) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"].endswith((".", "!"))
    assert problem["error"] == problem["detail"]
    assert "Traceback" not in answer.text
    assert str(REPO) not in answer.text
    assert problem["request_id"] == answer.headers["x-request-id"]
    return problem


def test_one_bad_picture_spoils_only_itself(server):
    images = [PNG, PNG[:300], PNG, b"text"] * 8
    with ThreadPoolExecutor(16) as clients:
        answers = list(clients.map(lambda image: post(server, image=image).status_code, images))

    assert answers == [200, 422, 200, 415] * 8
