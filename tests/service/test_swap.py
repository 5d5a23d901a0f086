"""Models change while real servers serve them: nobody's request fails, and no bad file gets in."""

import hashlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import onnx
import pytest

from loadtests.server import serving
from models.card import METADATA_KEY
from models.zoo import ZOO
from tests import pictures
from tests.models.spoilt import not_numbers, squares
from tests.service.test_processes import workers_of

PNG = pictures.encoded(pictures.digit(7))
WITHIN = 20.0


def model_file(name="digits-linear", version="", spoil=None, of="digits-linear") -> bytes:
    """A model of the repository under another name, in another version."""
    proto = onnx.load(ZOO / f"{of}.onnx")
    if spoil:
        spoil(proto)
    prop = next(prop for prop in proto.metadata_props if prop.key == METADATA_KEY)
    card = json.loads(prop.value)
    prop.value = json.dumps(card | {"name": name, "version": version or card["version"]})
    return proto.SerializeToString()


def put(zoo: Path, name: str, data: bytes) -> None:
    """All of it at once, as one should."""
    beside = zoo / f".{name}.new"
    beside.write_bytes(data)
    beside.replace(zoo / f"{name}.onnx")


def classify(url, model=None, **options) -> httpx.Response:
    return httpx.post(
        f"{url}/classify", files={"image": PNG}, data={"model": model} if model else {}, timeout=30, **options
    )


def version(url, model=None) -> str:
    answer = classify(url, model)
    return answer.json()["version"] if answer.status_code == 200 else str(answer.status_code)


def index(url) -> dict:
    return {entry["name"]: entry for entry in httpx.get(f"{url}/v2/repository/index").json()}


def change(url, name, verb, **options) -> httpx.Response:
    return httpx.post(f"{url}/v2/repository/models/{name}/{verb}", timeout=90, **options)


def changes(url, outcome) -> float:
    lines = httpx.get(f"{url}/metrics").text.splitlines()
    return float(
        next(line for line in lines if f'model_changes_total{{outcome="{outcome}"}}' in line).split()[1]
    )


def eventually(wanted, what) -> None:
    until = time.monotonic() + WITHIN
    while (found := what()) != wanted and time.monotonic() < until:
        time.sleep(0.1)
    assert found == wanted


@pytest.fixture(scope="module")
def swapping(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A server that may be told to load models, and its folder; each test has names of its own there."""
    folder = tmp_path_factory.mktemp("swap")
    zoo = folder / "zoo"
    zoo.mkdir()
    put(zoo, "digits-linear", model_file())
    with serving(zoo, folder / "log", model_control="true") as url:
        yield url, zoo


def test_a_new_name_appears_and_a_file_that_is_gone_is_served_no_longer(swapping):
    url, zoo = swapping
    data = model_file("appears", "1")
    put(zoo, "appears", data)
    eventually("1", lambda: version(url, "appears"))
    assert index(url)["appears"] == {"name": "appears", "version": "1", "state": "READY", "reason": ""}
    said = {model["name"]: model["sha256"] for model in httpx.get(f"{url}/models").json()["models"]}
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


@pytest.mark.parametrize(
    ("name", "bad", "why"),
    [
        ("truncated", model_file("truncated", "2")[:400_000], "ends in the middle"),
        ("numberless", model_file("numberless", "2", not_numbers), "do not sum to 1"),
        ("greedy", model_file("greedy", "2", squares(60_000)), "fails on its golden pictures"),
        ("misnamed", model_file("other", "2"), "says it is 'other'"),
    ],
)
def test_a_bad_file_is_not_loaded_by_a_call_either(swapping, name, bad, why):
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
    ready = httpx.post(f"{url}/v2/repository/index", json={"ready": True}).json()
    assert "digits-linear" in {entry["name"] for entry in ready}
    assert "told" not in {entry["name"] for entry in ready}
    time.sleep(2.5)  # the watch does not bring back what was unloaded
    assert version(url, "told") == "404"

    assert change(url, "told", "load").content == b""
    assert version(url, "told") == "1"
    change(url, "told", "unload")
    put(zoo, "told", model_file("told", "2"))  # a new file does
    eventually("2", lambda: version(url, "told"))


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
def test_what_is_no_proper_call_is_told_so(swapping, method, path, body, status):
    answer = httpx.request(method, f"{swapping[0]}/v2/repository/{path}", content=body)
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"


def test_metrics_know_no_names_that_clients_make_up(swapping):
    url, _ = swapping
    change(url, "made-up-by-me", "load")
    httpx.get(f"{url}/v2/repository/models/made-up-by-me/load")
    text = httpx.get(f"{url}/metrics").text
    assert "made-up-by-me" not in text
    assert 'call="/v2/repository/models/{name}/load",status="404"' in text


def test_who_began_with_the_old_version_ends_with_it(swapping):
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
    with socket.create_connection((host, port), timeout=30) as connection:
        connection.sendall("\r\n".join(head).encode() + 10 * part)
        time.sleep(0.5)
        put(zoo, "begun", model_file("begun", "2"))
        change(url, "begun", "load").raise_for_status()
        assert version(url, "begun") == "2"
        time.sleep(0.5)  # had the old engine gone with its last picture, it would be gone now
        connection.sendall(10 * part + b"--x--\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert body["version"] == "1"
    assert [answer["label"] for answer in body["answers"]] == ["7"] * 20


def test_loading_over_http_is_off_unless_it_is_allowed(tmp_path):
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    put(zoo, "digits-linear", model_file())
    with serving(zoo, tmp_path / "log") as url:
        for verb in ("load", "unload"):
            told = change(url, "digits-linear", verb)
            assert (told.status_code, told.headers["content-type"]) == (403, "application/problem+json")
            assert "GLIMPSE_MODEL_CONTROL" in told.json()["detail"]
        assert index(url)["digits-linear"]["state"] == "READY"
        assert version(url) != "404"


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
        with httpx.Client(base_url=url, timeout=60) as client:
            while not over.is_set():
                start = time.monotonic()
                answer = client.post(call, files=form)
                body = answer.json()
                bad = [part for part in body.get("answers", []) if "error" in part]
                status = 500 if bad else answer.status_code
                seen.append((start, time.monotonic(), status, body.get("version", "")))

    with serving(zoo, tmp_path / "log", model_control="true") as url:
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
        found = subprocess.run(
            ["pgrep", "-f", f"service --port {urlsplit(url).port}"],
            capture_output=True,
            text=True,
            check=True,
        )
        return len(list(Path(f"/proc/{found.stdout.split()[0]}/task").iterdir()))

    with serving(zoo, tmp_path / "log", model_control="true", watch_models="false") as url:
        counts = []
        for swap in range(12):
            put(zoo, "digits-linear", model_file(version=str(swap)))
            change(url, "digits-linear", "load").raise_for_status()
            assert version(url) == str(swap)
            time.sleep(0.2)
            counts.append(threads())
    assert counts[-1] <= counts[2]


@pytest.mark.slow
def test_all_workers_follow(tmp_path):
    """A new file, an unload and a load that reach one of two workers; a worker that is started again while
    there is a bad file."""
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    put(zoo, "digits-linear", model_file(version="1"))
    put(zoo, "digits-mlp", model_file("digits-mlp", of="digits-mlp"))

    def versions() -> set[str]:
        return {version(url, "digits-linear") for _ in range(16)}  # a connection each: both workers answer

    with serving(zoo, tmp_path / "log", workers="2", model_control="true") as url:
        assert versions() == {"1"}
        put(zoo, "digits-linear", model_file(version="2"))
        eventually({"2"}, versions)
        change(url, "digits-linear", "unload").raise_for_status()
        eventually({"404"}, versions)
        change(url, "digits-linear", "load").raise_for_status()
        eventually({"2"}, versions)

        put(zoo, "digits-mlp", b"not a model")
        eventually(True, lambda: "does not open" in index(url)["digits-mlp"]["reason"])
        before = workers_of(url)
        os.kill(before[0], signal.SIGKILL)
        eventually(2, lambda: len(set(workers_of(url)) - {before[0]}))
        eventually(True, lambda: {version(url, "digits-mlp") for _ in range(16)} > {"404"})
        assert versions() == {"2"}
