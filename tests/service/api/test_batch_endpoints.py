"""Many pictures in one request: order, errors in place, limits, and no waiting for the last byte."""

import socket
from urllib.parse import urlsplit

import pytest

from tests.support.http_calls import CLIENT
from tests.support.images import pictures
from tests.support.waiting import WITHIN_S, wait_until

WHICH = (0, 1, 2, 3, 4, 7)
DIGITS = {digit: pictures.encoded(pictures.digit(digit)) for digit in WHICH}
BROKEN = DIGITS[7][:300]


def post(server, images, path="/classify/batch", **data):
    files = [("images", (f"{number}.png", image)) for number, image in enumerate(images)]
    # httpx puts data before files, as the call wants it.
    return CLIENT.post(server + path, files=files, data=data)


def test_answers_are_in_order(server):
    which = [WHICH[number % len(WHICH)] for number in range(64)]
    body = post(server, [DIGITS[digit] for digit in which]).raise_for_status().json()

    assert [answer["label"] for answer in body["answers"]] == [str(digit) for digit in which]
    assert set(body) == {"model", "version", "request_id", "answers"}
    assert set(body["answers"][0]) == {"label", "probability", "probabilities", "familiar"}


def test_an_answer_is_the_same_as_alone(server):
    alone = CLIENT.post(f"{server}/classify", files={"image": DIGITS[3]}).json()
    among = post(server, [DIGITS[7], DIGITS[3]]).json()["answers"][1]

    assert among["probabilities"] == pytest.approx(alone["probabilities"], abs=1e-4)
    assert {among["label"], alone["label"]} == {"3"}


def test_a_bad_picture_spoils_only_itself(server):
    answers = post(server, [DIGITS[1], BROKEN, b"text", DIGITS[4]]).raise_for_status().json()["answers"]

    assert [answer.get("label") for answer in answers] == ["1", None, None, "4"]
    assert [answer["error"]["status"] for answer in answers[1:3]] == [422, 415]
    assert all(answer["error"]["detail"].endswith(".") for answer in answers[1:3])


def test_prices(server, car_png):
    answers = post(server, [car_png, BROKEN], "/price/batch").raise_for_status().json()["answers"]

    assert answers[0]["low"] <= answers[0]["price"] <= answers[0]["high"]
    assert answers[1]["error"]["status"] == 422


def test_the_model_is_chosen_by_name_in_the_form_or_the_address(server):
    named = post(server, [DIGITS[7]], model="digits-mlp").json()
    addressed = post(server, [DIGITS[7]], "/classify/batch?model=digits-linear").json()

    assert (named["model"], addressed["model"]) == ("digits-mlp", "digits-linear")
    assert post(server, [DIGITS[7]], model="no-such-model").status_code == 404


@pytest.mark.parametrize(
    ("parts", "status", "said"),
    [
        pytest.param([("images", DIGITS[7])] * 256, 200, "", id="256"),
        pytest.param([("images", DIGITS[7])] * 257, 413, "at most 256", id="257"),
        pytest.param([("image", DIGITS[7])], 400, "`images` is missing", id="wrong-field"),
        pytest.param([("images", DIGITS[7]), ("model", b"x")], 400, "before them", id="model-last"),
        pytest.param([("other", b"")] * 400, 413, "more parts", id="400-parts"),
    ],
)
def test_forms(server, parts, status, said):
    answer = CLIENT.post(
        f"{server}/classify/batch", files=[(name, ("f", content)) for name, content in parts]
    )

    assert answer.status_code == status, answer.text
    assert said in answer.text


def test_a_form_is_needed(server):
    answer = CLIENT.post(f"{server}/classify/batch", content=DIGITS[7], headers={"Content-Type": "image/png"})

    assert answer.status_code == 400
    assert "repeated" in answer.json()["detail"]


def test_pictures_are_answered_while_others_still_travel(server):
    """A client that sends one picture and stops halfway in the next: the first is counted meanwhile."""

    def answered() -> float:
        lines = CLIENT.get(f"{server}/metrics").text.splitlines()
        return sum(
            float(line.split()[-1])
            for line in lines
            if line.startswith('glimpse_pictures_total{model="digits-linear"')
        )

    part = b'--x\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n%s\r\n'
    body = part % DIGITS[7] + part % DIGITS[7] + b"--x--\r\n"
    cut = len(part % DIGITS[7]) + 400
    host, port = urlsplit(server).hostname, urlsplit(server).port
    before = answered()
    with socket.create_connection((host, port), timeout=WITHIN_S) as connection:
        head = (
            "POST /classify/batch?model=digits-linear HTTP/1.1",
            f"Host: {host}",
            "Content-Type: multipart/form-data; boundary=x",
            f"Content-Length: {len(body)}",
            "",
            "",
        )
        connection.sendall("\r\n".join(head).encode() + body[:cut])
        wait_until(lambda: answered() > before)
        assert answered() == before + 1
        connection.sendall(body[cut:])
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert answered() == before + 2


def test_docs_declare_the_batch_calls(server):
    paths = CLIENT.get(f"{server}/docs.json").json()["paths"]
    for path in ("/classify/batch", "/price/batch"):
        assert "multipart/form-data" in paths[path]["post"]["requestBody"]["content"]
