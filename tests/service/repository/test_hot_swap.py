"""Models change under real servers at work: no request fails, and every worker follows."""

import json
import os
import signal
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from loadtests.server import serving
from tests.support.http_calls import CLIENT, PNG
from tests.support.models.files import change, index, model_file, put, version
from tests.support.processes import server_of, workers_of
from tests.support.waiting import WITHIN_S, wait_for, wait_until

pytestmark = pytest.mark.slow


def answered(url: str, model: str) -> float:
    """Pictures that the model has answered."""
    lines = CLIENT.get(f"{url}/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if f'pictures_total{{model="{model}"' in line)


def test_a_request_ends_on_the_version_it_began_with(swapping):
    """Half of a form of pictures is sent, then the model changes, then the rest is."""
    url, zoo = swapping
    put(zoo, "begun", model_file("begun", "1"))
    change(url, "begun", "load").raise_for_status()
    part = b'--x\r\nContent-Disposition: form-data; name="images"; filename="a.png"\r\n\r\n%s\r\n' % PNG
    host, port = urlsplit(url).hostname, urlsplit(url).port
    head = (
        "POST /classify/batch?model=begun HTTP/1.1", f"Host: {host}", "Connection: close",
        "Content-Type: multipart/form-data; boundary=x", f"Content-Length: {20 * len(part) + 7}", "", "",
    )  # fmt: skip
    with socket.create_connection((host, port), timeout=WITHIN_S) as connection:
        connection.sendall("\r\n".join(head).encode() + 10 * part)
        wait_until(lambda: answered(url, "begun") >= 9)  # the tenth may wait for the next boundary
        put(zoo, "begun", model_file("begun", "2"))
        change(url, "begun", "load").raise_for_status()
        assert version(url, "begun") == "2"
        time.sleep(0.5)  # an engine that goes with its last picture is gone now
        connection.sendall(10 * part + b"--x--\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert body["version"] == "1"
    assert [answer["label"] for answer in body["answers"]] == ["7"] * 20


@pytest.mark.slow
def test_no_request_fails_during_twenty_swaps(tmp_path):
    """Eight clients, single pictures and batches; each answer's version is one that was current meanwhile."""
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    files = {name: model_file(version=name) for name in ("odd", "even")}
    put(zoo, "digits-linear", files["even"])
    current = [("even", 0.0)]  # each version and when its file was put there
    seen: list[tuple[float, float, int, str]] = []
    over = threading.Event()

    def ask(number: int, url: str) -> None:
        call, form = ("/classify", [("image", PNG)])
        if number % 4 == 0:
            call, form = ("/classify/batch", [("images", PNG)] * 12)
        with httpx.Client(base_url=url, timeout=WITHIN_S, verify=False) as client:
            while not over.is_set():
                start = time.monotonic()
                answer = client.post(call, files=form)
                body = answer.json()
                bad = [part["error"]["status"] for part in body.get("answers", []) if "error" in part]
                status = bad[0] if bad else answer.status_code
                seen.append((start, time.monotonic(), status, body.get("version", "")))

    with serving(zoo, tmp_path / "log", model_control="true", deadline_ms="120000") as url:
        clients = [threading.Thread(target=ask, args=(number, url)) for number in range(8)]
        for client in clients:
            client.start()
        loaded = []
        for swap in range(20):
            name = ("odd", "even")[swap % 2]
            current.append((name, time.monotonic()))
            put(zoo, "digits-linear", files[name])
            change(url, "digits-linear", "load").raise_for_status()
            loaded.append(time.monotonic())
            goal = len(seen) + 11
            wait_until(lambda goal=goal: len(seen) >= goal)
        over.set()
        for client in clients:
            client.join()

    assert len(seen) > 200
    assert {status for _, _, status, _ in seen} == {200}
    for start, end, _, found in seen:
        # Version n may answer from when its file was there until n + 1 is loaded.
        assert any(
            name == found and since <= end and start <= until
            for (name, since), until in zip(current, [*loaded, float("inf")], strict=True)
        )
    assert {found for *_, found in seen} == {"odd", "even"}


@pytest.mark.slow
def test_many_swaps_leave_no_threads_behind(tmp_path):
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    put(zoo, "digits-linear", model_file())

    def threads() -> int:
        return len(list(Path(f"/proc/{server_of(url)}/task").iterdir()))

    with serving(zoo, tmp_path / "log", model_control="true", watch_models="false") as url:
        for swap in range(12):
            put(zoo, "digits-linear", model_file(version=str(swap)))
            change(url, "digits-linear", "load").raise_for_status()
            assert version(url) == str(swap)
            if swap == 2:
                time.sleep(0.2)  # the engine of the last swap has ended, or its threads count here too
                few = threads()
        # A thread left by each of the nine swaps since would make nine; libraries start a few of their own.
        wait_until(lambda: threads() <= few + 4)


@pytest.mark.slow
def test_all_workers_follow(tmp_path):
    """Calls that reach one of two workers, and a worker that starts again beside a bad file."""
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    put(zoo, "digits-linear", model_file(version="1"))
    put(zoo, "digits-mlp", model_file("digits-mlp", of="digits-mlp"))

    def versions() -> set[str]:
        return {version(url, "digits-linear") for _ in range(16)}  # a connection each: both workers answer

    with serving(zoo, tmp_path / "log", workers="2", model_control="true") as url:
        assert versions() == {"1"}
        put(zoo, "digits-linear", model_file(version="2"))
        wait_for({"2"}, versions)
        change(url, "digits-linear", "unload").raise_for_status()
        wait_for({"404"}, versions)
        change(url, "digits-linear", "load").raise_for_status()
        wait_for({"2"}, versions)

        put(zoo, "digits-mlp", b"not a model")
        wait_for(True, lambda: "does not open" in index(url)["digits-mlp"]["reason"])
        before = workers_of(url)
        os.kill(before[0], signal.SIGKILL)
        wait_for(2, lambda: len(set(workers_of(url)) - {before[0]}))
        wait_for(True, lambda: {version(url, "digits-mlp") for _ in range(16)} > {"404"})
        wait_for({"2"}, versions)


def test_a_call_is_answered_when_all_workers_have_changed(tmp_path):
    """Nobody watches the folder: what the other worker knows, it was told."""
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    put(zoo, "digits-linear", model_file(version="1"))
    put(zoo, "digits-mlp", model_file("digits-mlp", of="digits-mlp"))
    settings = {"workers": "2", "model_control": "true", "watch_models": "false"}
    with serving(zoo, tmp_path / "log", **settings) as url:

        def versions() -> set[str]:
            return {version(url, "digits-linear") for _ in range(16)}

        wait_until(
            lambda: (
                len(workers_of(url)) == 2 and (tmp_path / "log").read_text().count("startup complete") == 2
            )
        )
        put(zoo, "digits-linear", model_file(version="2"))
        change(url, "digits-linear", "load").raise_for_status()
        assert versions() == {"2"}
        change(url, "digits-linear", "unload").raise_for_status()
        assert versions() == {"404"}
