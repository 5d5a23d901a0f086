"""The files of the prediction log: rotated, gone on with, full, hanging, moved away."""

import json
import os
import queue
import sys
import threading

import pytest

from loadtests.server import serving
from models.model import ZOO, open_model
from models.prediction_record import Truth
from service.answers import ClassFacts
from service.monitoring.metrics import LOG_LINES_LOST, LOG_PICTURES_LOST
from service.monitoring.prediction_log.writer import (
    MAX_QUEUED_LINES,
    MAX_QUEUED_PICTURE_BYTES,
    PredictionEvent,
    PredictionLog,
)
from service.settings import Settings
from tests.support.http_calls import CLIENT, PNG
from tests.support.log_folder import classify, files_of, lines_of, lost, tell, written
from tests.support.waiting import wait_until

pytestmark = pytest.mark.slow


@pytest.mark.slow
def test_full_files_are_rotated_and_the_oldest_deleted(zoo, tmp_path):
    folder = tmp_path / "log"
    options = {"prediction_log_bytes": "2000", "prediction_log_files": "2", "workers": "1"}
    with serving(zoo, tmp_path / "server.log", prediction_log=str(folder), **options) as url:
        for count in range(40):
            classify(url, request_id=f"order-{count}").raise_for_status()
    files = files_of(folder)
    ids = [
        line["request_id"]
        for path in reversed(files)
        for line in map(json.loads, path.read_text().splitlines())
    ]

    assert [path.name for path in files] == [
        "predictions-0.jsonl", "predictions-0.jsonl.1", "predictions-0.jsonl.2",
    ]  # fmt: skip
    assert all(path.stat().st_size <= 2000 for path in files)
    # Nothing is missing from the last, and nothing stands twice.
    assert ids == [f"order-{count}" for count in range(40 - len(ids), 40)]


@pytest.mark.slow
def test_a_new_process_goes_on_in_the_place_of_an_old_one(zoo, tmp_path):
    """Also behind a line that was cut off. Two at the same time have a file each."""
    folder = tmp_path / "log"
    options = {"prediction_log": str(folder), "workers": "1"}
    with (
        serving(zoo, tmp_path / "1.log", **options) as one,
        serving(zoo, tmp_path / "2.log", **options) as two,
    ):
        classify(one, request_id="one")
        classify(two, request_id="two")
    with (folder / "predictions-0.jsonl").open("a") as file:
        file.write('{"cut off')
    with serving(zoo, tmp_path / "3.log", **options) as url:
        classify(url, request_id="three")
    lines = (folder / "predictions-0.jsonl").read_text().splitlines()

    assert [json.loads(lines[0])["request_id"], json.loads(lines[2])["request_id"]] == ["one", "three"]
    assert lines[1] == '{"cut off'
    assert json.loads((folder / "predictions-1.jsonl").read_text())["request_id"] == "two"
    assert len(files_of(folder)) == 2


@pytest.mark.slow
def test_two_workers_lose_no_line(zoo, tmp_path):
    folder = tmp_path / "log"
    with serving(zoo, tmp_path / "server.log", prediction_log=str(folder), workers="2") as url:
        for count in range(40):
            CLIENT.post(
                f"{url}/classify", files={"image": PNG}, headers={"X-Request-ID": f"order-{count}"}
            ).raise_for_status()
    ids = {line["request_id"] for line in lines_of(folder)}

    assert ids == {f"order-{count}" for count in range(40)}


@pytest.mark.slow
def test_a_full_disk_loses_lines_not_answers(zoo, tmp_path):
    """/dev/full takes nothing and says that the disk is full."""
    folder, server_log = tmp_path / "log", tmp_path / "server.log"
    folder.mkdir()
    (folder / "predictions-0.jsonl").symlink_to("/dev/full")
    with serving(zoo, server_log, prediction_log=str(folder), workers="1") as url:
        for count in range(30):
            assert classify(url, request_id=f"lost-{count}").json()["label"] == "7"
        assert tell(url, request_id="lost-0", truth="7").status_code == 202
        wait_until(lambda: lost(url) == 31)
        # Somebody makes room.
        (folder / "predictions-0.jsonl").unlink()
        classify(url, request_id="kept").raise_for_status()
        line = written(folder, 1)[0]
        assert lost(url) == 31
    said = [line for line in server_log.read_text().splitlines() if "prediction log" in line]

    assert line["request_id"] == "kept"
    assert len(said) == 1
    assert "No space left on device" in said[0]


@pytest.mark.slow
def test_a_disk_that_hangs_holds_up_nobody(zoo, tmp_path):
    """A pipe that nobody reads: opening it never comes back."""
    folder, server_log = tmp_path / "log", tmp_path / "server.log"
    folder.mkdir()
    os.mkfifo(folder / "predictions-0.jsonl")
    with serving(zoo, server_log, prediction_log=str(folder), workers="1") as url:
        for count in range(30):
            assert classify(url, request_id=f"hangs-{count}").json()["label"] == "7"
    # It has ended all the same, and said what is missing.

    assert "the prediction log ends with about" in server_log.read_text()


def test_what_waits_is_bounded(tmp_path):
    os.mkfifo(tmp_path / "predictions-0.jsonl")
    log = PredictionLog(Settings(prediction_log=tmp_path))
    card, image = open_model(ZOO / "digits-linear.onnx").card, bytes(1000)
    facts = ClassFacts(label="7", probability=1.0, probabilities={"7": 1.0}, familiar=True)
    event = PredictionEvent("a", None, "/classify", card, facts, 1.0, {})
    references, before = sys.getrefcount(image), LOG_LINES_LOST._value.get()
    for _ in range(MAX_QUEUED_LINES + 50):
        log.log_prediction(event, image)

    # One is being written; the others were counted. No upload is held by what waits.
    assert LOG_LINES_LOST._value.get() - before in (49, 50)
    assert sys.getrefcount(image) == references
    with pytest.raises(queue.Full):
        log.log_feedback(Truth(request_id="a", truth="7"))
    with (tmp_path / "predictions-0.jsonl").open("rb") as pipe:
        closing = threading.Thread(target=log.close)
        closing.start()
        lines = pipe.readlines()
        closing.join()
    assert len(lines) in (MAX_QUEUED_LINES, MAX_QUEUED_LINES + 1)


def test_pictures_that_wait_are_bounded(tmp_path):
    os.mkfifo(tmp_path / "predictions-0.jsonl")
    log = PredictionLog(Settings(prediction_log=tmp_path, log_pictures=True))
    card, image = open_model(ZOO / "digits-linear.onnx").card, bytes(MAX_QUEUED_PICTURE_BYTES // 4)
    facts = ClassFacts(label="7", probability=1.0, probabilities={"7": 1.0}, familiar=True)
    before = LOG_PICTURES_LOST._value.get()
    for _ in range(6):
        log.log_prediction(PredictionEvent("a", None, "/classify", card, facts, 1.0, {}), image)
    with (tmp_path / "predictions-0.jsonl").open("rb") as pipe:
        closing = threading.Thread(target=log.close)
        closing.start()
        lines = [json.loads(line) for line in pipe]
        closing.join()

    assert LOG_PICTURES_LOST._value.get() - before == 2
    assert ["picture" in line for line in lines] == [True] * 4 + [False] * 2


@pytest.mark.slow
def test_a_log_that_is_moved_away_is_begun_anew(zoo, tmp_path):
    folder = tmp_path / "log"
    with serving(zoo, tmp_path / "server.log", prediction_log=str(folder), workers="1") as url:
        classify(url, request_id="before").raise_for_status()
        assert written(folder, 1)[0]["request_id"] == "before"
        (moved,) = files_of(folder)
        moved.rename(tmp_path / "archived.jsonl")
        classify(url, request_id="after").raise_for_status()

        assert [line["request_id"] for line in written(folder, 1)] == ["after"]
        assert lost(url) == 0
