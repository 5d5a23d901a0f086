"""Models follow the files of their folder: new, linked, bad, half written, gone."""

import hashlib
import time

import pytest

from loadtests.server import serving
from tests.support.http_calls import CLIENT
from tests.support.models.files import change, changes, eventually, index, model_file, put, version


def test_a_new_name_appears_and_a_file_that_is_gone_is_served_no_longer(swapping):
    url, zoo = swapping
    data = model_file("appears", "1")
    put(zoo, "appears", data)
    eventually("1", lambda: version(url, "appears"))
    assert index(url)["appears"] == {"name": "appears", "version": "1", "state": "READY", "reason": ""}
    said = {model["name"]: model["sha256"] for model in CLIENT.get(f"{url}/models").json()["models"]}
    assert said["appears"] == hashlib.sha256(data).hexdigest()

    (zoo / "appears.onnx").unlink()
    eventually("404", lambda: version(url, "appears"))
    assert "appears" not in index(url)
    assert version(url) != "404"


def test_a_link_that_is_renamed_into_place_is_a_swap(swapping, tmp_path):
    url, zoo = swapping
    for number in ("1", "2"):
        (tmp_path / number).write_bytes(model_file("linked", number))
        (zoo / ".link").symlink_to(tmp_path / number)
        (zoo / ".link").replace(zoo / "linked.onnx")
        eventually(number, lambda: version(url, "linked"))


def test_a_bad_file_is_refused_once_and_the_old_one_keeps_serving(swapping):
    url, zoo = swapping
    put(zoo, "rubbish", model_file("rubbish", "1"))
    change(url, "rubbish", "load").raise_for_status()
    refused = changes(url, "refused")
    put(zoo, "rubbish", b"not a model")
    eventually(refused + 1, lambda: changes(url, "refused"))

    assert version(url, "rubbish") == "1"
    entry = index(url)["rubbish"]
    assert (entry["state"], entry["version"]) == ("READY", "1")
    assert "does not open" in entry["reason"]
    time.sleep(2.5)  # it is not opened again every second
    assert changes(url, "refused") == refused + 1

    put(zoo, "rubbish", model_file("rubbish", "3"))
    eventually("3", lambda: version(url, "rubbish"))
    assert index(url)["rubbish"]["reason"] == ""


def test_a_file_that_is_still_being_written_is_waited_for(swapping):
    url, zoo = swapping
    put(zoo, "slow", model_file("slow", "1"))
    eventually("1", lambda: version(url, "slow"))
    refused = changes(url, "refused")
    data = model_file("slow", "2")
    with (zoo / "slow.onnx").open("wb") as file:
        for at in range(0, len(data), len(data) // 12):
            file.write(data[at : at + len(data) // 12])
            file.flush()
            time.sleep(0.3)
            assert version(url, "slow") == "1"
    eventually("2", lambda: version(url, "slow"))
    assert changes(url, "refused") == refused


def test_names_that_begin_with_a_dot_are_left_alone(swapping):
    url, zoo = swapping
    (zoo / ".hidden.onnx").write_bytes(b"half of a copy")
    put(zoo, "seen", model_file("seen", "1"))
    eventually("1", lambda: version(url, "seen"))
    assert {name for name in index(url) if "hidden" in name} == set()


def test_without_the_watch_only_calls_change_models(tmp_path):
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    put(zoo, "digits-linear", model_file(version="1"))
    with serving(zoo, tmp_path / "log", watch_models="false", model_control="true") as url:
        put(zoo, "digits-linear", model_file(version="2"))
        time.sleep(4)
        assert version(url) == "1"
        change(url, "digits-linear", "load").raise_for_status()
        assert version(url) == "2"


@pytest.mark.slow
def test_the_default_follows_the_folder_and_an_empty_folder_changes_nothing(tmp_path):
    zoo, away = tmp_path / "zoo", tmp_path / "away"
    zoo.mkdir()
    put(zoo, "digits-linear", model_file(version="linear"))
    with serving(zoo, tmp_path / "log") as url:
        assert version(url) == "linear"
        put(zoo, "digits-cnn", model_file("digits-cnn", "cnn", of="digits-cnn"))
        eventually("cnn", lambda: version(url))
        put(zoo, "digits-cnn", model_file("digits-cnn", "cnn-2", of="digits-cnn"))
        eventually("cnn-2", lambda: version(url))
        (zoo / "digits-cnn.onnx").unlink()
        eventually("linear", lambda: version(url))

        (zoo / "digits-linear.onnx").unlink()
        time.sleep(3.5)
        assert version(url) == "linear"
        zoo.rename(away)  # and so does no folder at all
        time.sleep(2.5)
        assert version(url) == "linear"
        away.rename(zoo)
        put(zoo, "digits-linear", model_file(version="again"))
        eventually("again", lambda: version(url))
    assert "cannot be read" in (tmp_path / "log").read_text()
