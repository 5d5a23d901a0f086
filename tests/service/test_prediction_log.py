"""The prediction log over a real server: what stands in it, what does not, and what a full disk does."""

import hashlib
import json
import math
import os
import queue
import re
import subprocess
import sys
import threading
import time

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadtests.server import REPO, SERVING, serving
from models.prediction import Truth
from models.zoo import ZOO, open_model
from service.answers import ClassFacts
from service.metrics import LOG_LINES_LOST, LOG_PICTURES_LOST
from service.prediction_log import WAITING_LINES, WAITING_PICTURE_BYTES, Answered, PredictionLog
from service.settings import Settings
from tests import pictures

SEVEN = pictures.encoded(pictures.digit(7))
FOUR = pictures.encoded(pictures.digit(4))
CLIENT = httpx.Client(timeout=30, limits=httpx.Limits(keepalive_expiry=2))


@pytest.fixture(scope="module", autouse=True)
def _closed_in_the_end():
    yield
    CLIENT.close()


def classify(url, image=SEVEN, request_id="order-1", model="digits-linear"):
    return CLIENT.post(
        f"{url}/classify",
        files={"image": image},
        data={"model": model},
        headers={"X-Request-ID": request_id},
    )


def tell(url, **feedback):
    return CLIENT.post(f"{url}/feedback", json=feedback)


def files_of(folder):
    return sorted(folder.glob("predictions-*.jsonl*"))


def lines_of(folder):
    return [json.loads(line) for path in files_of(folder) for line in path.read_text().splitlines()]


def eventually(true):
    """Wait until it is: lines are written behind the answer, also those of tests before."""
    until = time.monotonic() + 10
    while not true() and time.monotonic() < until:
        time.sleep(0.02)
    assert true()


def written(folder, count):
    """The lines of the log, as soon as there are so many."""
    eventually(lambda: len(lines_of(folder)) >= count)
    lines = lines_of(folder)
    assert len(lines) == count
    return lines


def lost(url, what="lines"):
    return float(
        re.findall(rf"^glimpse_log_{what}_lost_total (\S+)", CLIENT.get(f"{url}/metrics").text, re.M)[0]
    )


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """Small models only: many servers are started here."""
    folder = tmp_path_factory.mktemp("zoo")
    for name in ("digits-linear", "digits-mlp", "cars-mlp"):
        (folder / f"{name}.onnx").symlink_to(ZOO / f"{name}.onnx")
    return folder


@pytest.fixture(scope="module")
def logging_server(zoo, tmp_path_factory):
    folder = tmp_path_factory.mktemp("logged") / "new" / "folder"
    with serving(zoo, folder.parent.parent / "server.log", prediction_log=str(folder)) as url:
        yield url, folder


def test_every_answered_picture_is_a_complete_line(zoo, tmp_path, car_png):
    folder = tmp_path / "log"
    with serving(zoo, tmp_path / "server.log", prediction_log=str(folder)) as url:
        said = classify(url).json()
        assert classify(url, b"no picture", "order-2").status_code == 415
        price = CLIENT.post(
            f"{url}/price?model=cars-mlp", files={"image": car_png}, headers={"X-Request-ID": "order-3"}
        ).json()
        batch = CLIENT.post(
            f"{url}/classify/batch?model=digits-mlp",
            files=[("images", SEVEN), ("images", b"broken"), ("images", FOUR)],
            headers={"X-Request-ID": "order-4"},
        ).json()
    # The server has ended: what it had noted is there.
    lines = {(line["request_id"], line.get("index")): line for line in lines_of(folder)}
    raw = b"".join(path.read_bytes() for path in files_of(folder))

    assert set(lines) == {("order-1", None), ("order-3", None), ("order-4", 0), ("order-4", 2)}
    first = lines["order-1", None]
    assert set(first) == {
        "time", "request_id", "call", "model", "version", "answer", "familiar", "familiarity", "stages",
    }  # fmt: skip
    assert (first["call"], first["model"], first["version"]) == ("/classify", said["model"], said["version"])
    assert first["answer"] == {"label": said["label"], "probability": said["probability"]}
    assert first["familiar"] == said["familiar"]
    assert 0 <= first["familiarity"] <= 1
    assert first["time"].endswith("Z")
    assert set(first["stages"]) == {"decode", "view", "queue", "infer"}
    assert all(0 <= took < 10_000 for took in first["stages"].values())
    assert lines["order-3", None]["answer"] == {name: price[name] for name in ("price", "low", "high")}
    for index in (0, 2):
        line, answer = lines["order-4", index], batch["answers"][index]
        assert line["call"] == "/classify/batch"
        assert line["answer"] == {"label": answer["label"], "probability": answer["probability"]}
    # Times of its own for each picture, not the longest of all.
    assert lines["order-4", 0]["stages"] != lines["order-4", 2]["stages"]
    # No picture, not even a piece of one, and none beside.
    assert SEVEN[:16] not in raw
    assert {path.suffix for path in folder.iterdir()} == {".jsonl", ".lock"}


def test_nothing_is_written_unless_asked(zoo, tmp_path):
    before = set(REPO.rglob("*.jsonl"))
    with serving(zoo, tmp_path / "server.log", prediction_log="") as url:
        classify(url).raise_for_status()
        answer = tell(url, request_id="order-1", truth="7")
        after = set(REPO.rglob("*.jsonl"))

    assert answer.status_code == 404
    assert "GLIMPSE_PREDICTION_LOG" in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert before == after
    assert {path.name for path in tmp_path.iterdir()} == {"server.log"}


def test_pictures_are_kept_once_where_asked(zoo, tmp_path):
    folder = tmp_path / "log"
    size = len(SEVEN) + len(FOUR) - 1
    options = {"prediction_log": str(folder), "log_pictures": "true", "log_pictures_bytes": str(size)}
    with serving(zoo, tmp_path / "server.log", **options) as url:
        for request_id, image in (("a", SEVEN), ("b", SEVEN), ("c", FOUR)):
            classify(url, image, request_id).raise_for_status()
        kept = {line["request_id"]: line.get("picture") for line in written(folder, 3)}
        pictures_lost, lines_lost = lost(url, "pictures"), lost(url)
    name = hashlib.sha256(SEVEN).hexdigest()

    # The third is one too many for the limit: the line is there, the picture is not, and that is counted.
    assert kept == {"a": name, "b": name, "c": None}
    assert [path.name for path in (folder / "pictures").iterdir()] == [name]
    assert (folder / "pictures" / name).read_bytes() == SEVEN
    assert (pictures_lost, lines_lost) == (1, 0)


def test_full_files_are_rotated_and_the_oldest_deleted(zoo, tmp_path):
    folder = tmp_path / "log"
    options = {"prediction_log_bytes": "2000", "prediction_log_files": "2"}
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


def test_a_new_process_goes_on_in_the_place_of_an_old_one(zoo, tmp_path):
    """Also behind a line that was cut off. Two at the same time have a file each."""
    folder = tmp_path / "log"
    options = {"prediction_log": str(folder)}
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
            httpx.post(
                f"{url}/classify", files={"image": SEVEN}, headers={"X-Request-ID": f"order-{count}"}
            ).raise_for_status()
    ids = {line["request_id"] for line in lines_of(folder)}

    assert ids == {f"order-{count}" for count in range(40)}


def test_a_full_disk_loses_lines_not_answers(zoo, tmp_path):
    """/dev/full takes nothing and says that the disk is full."""
    folder, server_log = tmp_path / "log", tmp_path / "server.log"
    folder.mkdir()
    (folder / "predictions-0.jsonl").symlink_to("/dev/full")
    with serving(zoo, server_log, prediction_log=str(folder)) as url:
        for count in range(30):
            assert classify(url, request_id=f"lost-{count}").json()["label"] == "7"
        assert tell(url, request_id="lost-0", truth="7").status_code == 202
        eventually(lambda: lost(url) == 31)
        # Somebody makes room.
        (folder / "predictions-0.jsonl").unlink()
        classify(url, request_id="kept").raise_for_status()
        line = written(folder, 1)[0]
        assert lost(url) == 31
    said = [line for line in server_log.read_text().splitlines() if "prediction log" in line]

    assert line["request_id"] == "kept"
    assert len(said) == 1
    assert "No space left on device" in said[0]


def test_a_disk_that_hangs_holds_up_nobody(zoo, tmp_path):
    """A pipe that nobody reads: opening it never comes back."""
    folder, server_log = tmp_path / "log", tmp_path / "server.log"
    folder.mkdir()
    os.mkfifo(folder / "predictions-0.jsonl")
    with serving(zoo, server_log, prediction_log=str(folder)) as url:
        for count in range(30):
            assert classify(url, request_id=f"hangs-{count}").json()["label"] == "7"
    # It has ended all the same, and said what is missing.

    assert "the prediction log ends with about" in server_log.read_text()


def test_what_waits_is_bounded(tmp_path):
    os.mkfifo(tmp_path / "predictions-0.jsonl")
    log = PredictionLog(Settings(prediction_log=tmp_path))
    card, image = open_model(ZOO / "digits-linear.onnx").card, bytes(1000)
    facts = ClassFacts(label="7", probability=1.0, probabilities={"7": 1.0}, familiar=True)
    answered = Answered("a", None, "/classify", card, facts, 1.0, {})
    references, before = sys.getrefcount(image), LOG_LINES_LOST._value.get()
    for _ in range(WAITING_LINES + 50):
        log.answered(answered, image)

    # One is being written; the others were counted. No upload is held by what waits.
    assert LOG_LINES_LOST._value.get() - before in (49, 50)
    assert sys.getrefcount(image) == references
    with pytest.raises(queue.Full):
        log.told(Truth(request_id="a", truth="7"))
    with (tmp_path / "predictions-0.jsonl").open("rb") as pipe:
        closing = threading.Thread(target=log.close)
        closing.start()
        lines = pipe.readlines()
        closing.join()
    assert len(lines) in (WAITING_LINES, WAITING_LINES + 1)


def test_pictures_that_wait_are_bounded(tmp_path):
    os.mkfifo(tmp_path / "predictions-0.jsonl")
    log = PredictionLog(Settings(prediction_log=tmp_path, log_pictures=True))
    card, image = open_model(ZOO / "digits-linear.onnx").card, bytes(WAITING_PICTURE_BYTES // 4)
    facts = ClassFacts(label="7", probability=1.0, probabilities={"7": 1.0}, familiar=True)
    before = LOG_PICTURES_LOST._value.get()
    for _ in range(6):
        log.answered(Answered("a", None, "/classify", card, facts, 1.0, {}), image)
    with (tmp_path / "predictions-0.jsonl").open("rb") as pipe:
        closing = threading.Thread(target=log.close)
        closing.start()
        lines = [json.loads(line) for line in pipe]
        closing.join()

    assert LOG_PICTURES_LOST._value.get() - before == 2
    assert ["picture" in line for line in lines] == [True] * 4 + [False] * 2


def test_a_log_that_is_moved_away_is_begun_anew(logging_server, tmp_path):
    url, folder = logging_server
    classify(url, request_id="before").raise_for_status()
    eventually(lambda: "before" in {line["request_id"] for line in lines_of(folder)})
    (moved,) = files_of(folder)
    moved.rename(tmp_path / "archived.jsonl")
    classify(url, request_id="after").raise_for_status()

    assert [line["request_id"] for line in written(folder, 1)] == ["after"]
    assert lost(url) == 0


def start(**settings):
    environment = os.environ | {f"GLIMPSE_{name}": value for name, value in settings.items()}
    return subprocess.run(
        [SERVING / "python", "-m", "service", "--check"],
        cwd=REPO,
        env=environment,
        capture_output=True,
        text=True,
    )


def test_a_folder_that_cannot_be_written_ends_the_start(tmp_path):
    (tmp_path / "file").write_text("in the way")
    ended = start(PREDICTION_LOG=str(tmp_path / "file" / "log"))

    assert ended.returncode == 1
    assert ended.stderr.strip().splitlines()[-1] == (
        f"error: GLIMPSE_PREDICTION_LOG={tmp_path}/file/log: Not a directory."
        " Name a folder that can be written to, or leave it unset."
    )


def test_pictures_need_a_log():
    ended = start(LOG_PICTURES="true")

    assert ended.returncode == 1
    assert "GLIMPSE_LOG_PICTURES" in ended.stderr
    assert "set GLIMPSE_PREDICTION_LOG too" in ended.stderr


@pytest.mark.parametrize(
    "feedback",
    [
        {"request_id": "order-1", "truth": "7"},
        {"request_id": "order-1", "truth": 23500},
        {"request_id": "order-1", "truth": 0.5, "index": 0},
        {"request_id": "never-seen", "truth": "é" * 100, "index": 255},
    ],
)
def test_feedback_is_a_line(logging_server, feedback):
    url, folder = logging_server
    before = len(lines_of(folder))
    answer = tell(url, **feedback)
    line = written(folder, before + 1)[-1]

    assert answer.status_code == 202
    assert answer.json() == feedback
    assert set(line) == {"feedback"}
    assert line["feedback"].pop("time").endswith("Z")
    assert line["feedback"] == feedback


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b'{"request_id": "a", "truth": "7"}', "text/plain", id="another-type"),
        pytest.param(b'{"request_id": "a", "truth": "7"}', None, id="no-type"),
        pytest.param(b"", "application/json", id="empty"),
        pytest.param(b"[]", "application/json", id="no-object"),
        pytest.param(b"{", "application/json", id="broken"),
        pytest.param(b"\xff\xfe", "application/json", id="no-text"),
        pytest.param(b"[" * 4000, "application/json", id="deep"),
        pytest.param(b'{"truth": "7"}', "application/json", id="no-id"),
        pytest.param(b'{"request_id": "a"}', "application/json", id="no-truth"),
        pytest.param(b'{"request_id": "a\\n", "truth": "7"}', "application/json", id="line-in-the-id"),
        pytest.param(b'{"request_id": "../a", "truth": "7"}', "application/json", id="path-as-id"),
        pytest.param(b'{"request_id": 5, "truth": "7"}', "application/json", id="number-as-id"),
        pytest.param(b'{"request_id": "a", "truth": ""}', "application/json", id="empty-truth"),
        pytest.param(
            b'{"request_id": "a", "truth": "%s"}' % (101 * b"x"), "application/json", id="long-truth"
        ),
        pytest.param(b'{"request_id": "a", "truth": -1}', "application/json", id="negative"),
        pytest.param(b'{"request_id": "a", "truth": 0}', "application/json", id="zero"),
        pytest.param(b'{"request_id": "a", "truth": 1e999}', "application/json", id="infinite"),
        pytest.param(b'{"request_id": "a", "truth": %s}' % (1000 * b"9"), "application/json", id="huge"),
        pytest.param(b'{"request_id": "a", "truth": NaN}', "application/json", id="nan"),
        pytest.param(b'{"request_id": "a", "truth": true}', "application/json", id="boolean"),
        pytest.param(b'{"request_id": "a", "truth": null}', "application/json", id="null"),
        pytest.param(b'{"request_id": "a", "truth": ["7"]}', "application/json", id="list"),
        pytest.param(b'{"request_id": "a", "truth": "7", "index": -1}', "application/json", id="index"),
        pytest.param(b'{"request_id": "a", "truth": "7", "index": "1"}', "application/json", id="index-text"),
        pytest.param(b'{"request_id": "a", "truth": "7", "more": 1}', "application/json", id="more"),
    ],
)
def test_malformed_feedback_is_told_how(logging_server, body, content_type):
    url, folder = logging_server
    before = lines_of(folder)
    answer = CLIENT.post(
        f"{url}/feedback", content=body, headers={"Content-Type": content_type} if content_type else {}
    )

    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"].startswith('Send {"request_id"')
    assert len(answer.json()["detail"]) < 300
    assert lines_of(folder) == before


def test_feedback_is_small_and_posted(logging_server):
    url, _ = logging_server
    large = CLIENT.post(f"{url}/feedback", content=bytes(5000), headers={"Content-Type": "application/json"})

    assert (large.status_code, large.json()["title"]) == (413, "Too large")
    assert CLIENT.get(f"{url}/feedback").status_code == 405


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=120),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(["request_id", "truth", "index", "x"]), JSON, max_size=4)
    | st.fixed_dictionaries({"request_id": st.just("a"), "truth": st.text(max_size=101) | st.floats()})
)
def test_whatever_is_told_is_taken_or_refused(logging_server, feedback):
    url, _ = logging_server
    body = json.dumps(feedback).encode()
    answer = CLIENT.post(f"{url}/feedback", content=body, headers={"Content-Type": "application/json"})
    truth = feedback.get("truth")
    fine = (
        (isinstance(truth, str) and 1 <= len(truth) <= 100)
        or (isinstance(truth, float) and math.isfinite(truth) and truth > 0)
    )  # fmt: skip

    assert answer.status_code in ((202,) if fine and set(feedback) == {"request_id", "truth"}
                                  and feedback["request_id"] == "a" else (202, 400, 413))  # fmt: skip
