"""Models change by calls: loaded, unloaded, and left alone where the call is none."""

import pytest

from tests.support.http_calls import CLIENT
from tests.support.models.corrupted import not_numbers, squares
from tests.support.models.files import change, index, let_watch_pass, model_file, put, version
from tests.support.waiting import wait_for


@pytest.mark.parametrize(
    ("name", "bad", "why"),
    [
        ("truncated", model_file("truncated", "2")[:400_000], "ends in the middle"),
        ("numberless", model_file("numberless", "2", not_numbers), "do not sum to 1"),
        ("greedy", model_file("greedy", "2", squares(60_000)), "fails on its golden pictures"),
        ("misnamed", model_file("other", "2"), "says it is 'other'"),
    ],
)
def test_a_bad_file_is_not_loaded_by_a_call(swapping, name, bad, why):
    url, zoo = swapping
    put(zoo, name, model_file(name, "1"))
    change(url, name, "load").raise_for_status()
    put(zoo, name, bad)
    told = change(url, name, "load")

    assert (told.status_code, told.headers["content-type"]) == (422, "application/problem+json")
    assert why in told.json()["detail"]
    assert index(url)[name] == {
        "name": name,
        "version": "1",
        "state": "READY",
        "reason": told.json()["detail"],
    }
    assert version(url, name) == "1"


@pytest.mark.slow
def test_unload_and_load(swapping):
    url, zoo = swapping
    put(zoo, "told", model_file("told", "1"))
    assert change(url, "told", "load").status_code == 200
    assert version(url, "told") == "1"

    assert change(url, "told", "unload", json={"parameters": {"unload_dependents": True}}).status_code == 200
    assert version(url, "told") == "404"
    assert index(url)["told"] == {
        "name": "told",
        "version": "",
        "state": "UNAVAILABLE",
        "reason": "unloaded by a call",
    }
    ready = CLIENT.post(f"{url}/v2/repository/index", json={"ready": True}).json()
    assert "digits-linear" in {entry["name"] for entry in ready}
    assert "told" not in {entry["name"] for entry in ready}
    let_watch_pass(url, zoo)  # which does not bring back what was unloaded
    assert version(url, "told") == "404"

    assert change(url, "told", "load").content == b""
    assert version(url, "told") == "1"
    change(url, "told", "unload")
    put(zoo, "told", model_file("told", "2"))  # a new file does
    wait_for("2", lambda: version(url, "told"))


@pytest.mark.parametrize("name", ["nobody", "..%2F..%2Fzoo%2Fdigits-linear", "%00", "x" * 10_000, ".hidden"])
@pytest.mark.parametrize("verb", ["load", "unload"])
def test_names_without_a_file_are_404(swapping, name, verb):
    answer = change(swapping[0], name, verb)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert len(answer.text) < 600


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "index", b"{", 400),
        ("POST", "index", b"[]", 400),
        ("POST", "index", b"[" * 60_000, 400),
        ("POST", "index", b"\xff\xfe", 400),
        ("POST", "index", b" " * 70_000, 413),
        ("POST", "index", b"", 200),
        ("DELETE", "index", b"", 405),
        ("GET", "models/digits-linear/load", b"", 405),
        ("POST", "models/digits-linear/burn", b"", 404),
        ("POST", "models/digits-linear", b"", 404),
        ("POST", "models/digits-linear/load", b'{"parameters": {"file:1/model.onnx": "AAAA"}}', 400),
        ("POST", "models/digits-linear/load", b'{"parameters": {"config": "{}"}}', 400),
        ("POST", "models/digits-linear/load", b'{"parameters": 1}', 400),
    ],
)
def test_malformed_calls_are_refused(swapping, method, path, body, status):
    answer = CLIENT.request(method, f"{swapping[0]}/v2/repository/{path}", content=body)
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"


def test_made_up_names_stay_out_of_the_metrics(swapping):
    url, _ = swapping
    change(url, "made-up-by-me", "load")
    CLIENT.get(f"{url}/v2/repository/models/made-up-by-me/load")
    text = CLIENT.get(f"{url}/metrics").text
    assert "made-up-by-me" not in text
    assert 'call="/v2/repository/models/{name}/load",status="404"' in text


def test_calls_are_refused_unless_allowed(server):
    for verb in ("load", "unload"):
        told = change(server, "digits-linear", verb)
        assert (told.status_code, told.headers["content-type"]) == (403, "application/problem+json")
        assert "GLIMPSE_MODEL_CONTROL" in told.json()["detail"]
    assert index(server)["digits-linear"]["state"] == "READY"
    assert version(server, "digits-linear") != "404"
