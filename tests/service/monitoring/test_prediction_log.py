"""The prediction log over a real server: what stands in it, and what does not."""

import hashlib
import os
import subprocess

import pytest

from loadtests.server import REPO, SERVING, serving, started
from tests.support.http_calls import CLIENT, PNG
from tests.support.log_folder import FOUR, classify, files_of, lines_of, lost, tell, written


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
            files=[("images", PNG), ("images", b"broken"), ("images", FOUR)],
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
    assert PNG[:16] not in raw
    assert {path.suffix for path in folder.iterdir()} == {".jsonl", ".lock"}


@pytest.mark.slow
def test_nothing_is_written_unless_asked(zoo, tmp_path):
    """Nor in the folder where the server is started."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(REPO), os.environ.get("PYTHONPATH", "")]),
        "GLIMPSE_MODELS_DIR": str(zoo),
        "GLIMPSE_DRAIN_SECONDS": "0",
        "GLIMPSE_PREDICTION_LOG": "",
    }
    command = [SERVING / "python", "-m", "service"]
    with started(command, tmp_path, environment, tmp_path / "server.log") as url:
        classify(url).raise_for_status()
        answer = tell(url, request_id="order-1", truth="7")

    assert answer.status_code == 404
    assert "GLIMPSE_PREDICTION_LOG" in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert {path.name for path in tmp_path.iterdir()} == {"server.log"}


@pytest.mark.slow
def test_pictures_are_kept_once_where_asked(zoo, tmp_path):
    folder = tmp_path / "log"
    size = len(PNG) + len(FOUR) - 1
    options = {"prediction_log": str(folder), "log_pictures": "true", "log_pictures_bytes": str(size)}
    options["workers"] = "1"  # the limit is that of each worker
    with serving(zoo, tmp_path / "server.log", **options) as url:
        for request_id, image in (("a", PNG), ("b", PNG), ("c", FOUR)):
            classify(url, image, request_id).raise_for_status()
        kept = {line["request_id"]: line.get("picture") for line in written(folder, 3)}
        pictures_lost, lines_lost = lost(url, "pictures"), lost(url)
    name = hashlib.sha256(PNG).hexdigest()

    # The third is one too many for the limit: the line is there, the picture is not, and that is counted.
    assert kept == {"a": name, "b": name, "c": None}
    assert [path.name for path in (folder / "pictures").iterdir()] == [name]
    assert (folder / "pictures" / name).read_bytes() == PNG
    assert (pictures_lost, lines_lost) == (1, 0)


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
