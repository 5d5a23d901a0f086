"""Models follow the files of their folder: new, linked, bad, gone."""

import hashlib
import time

import pytest

from loadtests.server import serving
from tests.support.http_calls import CLIENT
from tests.support.models.files import change, changes, index, let_watch_pass, model_file, put, version
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow


def test_models_appear_and_go_with_their_files(swapping):
    url, zoo = swapping
    data = model_file("appears", "1")
    put(zoo, "appears", data)
    wait_for("1", lambda: version(url, "appears"))
    assert index(url)["appears"] == {"name": "appears", "version": "1", "state": "READY", "reason": ""}
    said = {model["name"]: model["sha256"] for model in CLIENT.get(f"{url}/models").json()["models"]}
    assert said["appears"] == hashlib.sha256(data).hexdigest()

    (zoo / "appears.onnx").unlink()
    wait_for("404", lambda: version(url, "appears"))
    assert "appears" not in index(url)
    assert version(url) != "404"


def test_a_link_renamed_into_place_is_a_swap(swapping, tmp_path):
    url, zoo = swapping
    for number in ("1", "2"):
        (tmp_path / number).write_bytes(model_file("linked", number))
        (zoo / ".link").symlink_to(tmp_path / number)
        (zoo / ".link").replace(zoo / "linked.onnx")
        wait_for(number, lambda: version(url, "linked"))


def test_a_bad_file_is_refused_once(swapping):
    url, zoo = swapping
    put(zoo, "rubbish", model_file("rubbish", "1"))
    change(url, "rubbish", "load").raise_for_status()
    refused = changes(url, "refused")
    put(zoo, "rubbish", b"not a model")
    wait_for(refused + 1, lambda: changes(url, "refused"))

    assert version(url, "rubbish") == "1"
    entry = index(url)["rubbish"]
    assert (entry["state"], entry["version"]) == ("READY", "1")
    assert "does not open" in entry["reason"]
    let_watch_pass(url, zoo)  # which refuses a file of its own, and this one not again
    assert changes(url, "refused") == refused + 2

    put(zoo, "rubbish", model_file("rubbish", "3"))
    wait_for("3", lambda: version(url, "rubbish"))
    assert index(url)["rubbish"]["reason"] == ""


def test_dot_files_are_ignored(swapping):
    url, zoo = swapping
    (zoo / ".hidden.onnx").write_bytes(b"half of a copy")
    put(zoo, "seen", model_file("seen", "1"))
    wait_for("1", lambda: version(url, "seen"))
    assert {name for name in index(url) if "hidden" in name} == set()


@pytest.mark.slow
def test_without_the_watch_only_calls_change_models(tmp_path):
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    put(zoo, "digits-linear", model_file(version="1"))
    with serving(zoo, tmp_path / "log", watch_models="false", model_control="true") as url:
        put(zoo, "digits-linear", model_file(version="2"))
        time.sleep(2.5)  # a watch would have had two looks
        assert version(url) == "1"
        change(url, "digits-linear", "load").raise_for_status()
        assert version(url) == "2"
