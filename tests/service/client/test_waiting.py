"""Services that are busy, locked, away or gone, and people who have waited enough."""

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from loadtests import server as servers
from loadtests.server import serving
from tests.service.client.conftest import COMMAND, REPO, environment
from tests.support.http_calls import PNG
from tests.support.log_folder import written

KEY = "correct-horse-battery-staple"
RATE = 4
BURST = 10 * RATE

ANSWER = json.dumps({"label": "7", "probability": 1.0}).encode()


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "7.png"
    path.write_bytes(PNG)
    return path


@contextmanager
def answering(*responses: tuple[int, dict[str, str]] | None) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these responses (status, headers) in turn, then 200; None breaks off instead.

    No real service can be told to answer so. Yields its URL, and the paths it was asked for.
    """
    script, asked = iter(responses), []

    class Scripted(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append(self.path)
            self.rfile.read(int(self.headers["content-length"]))
            status, headers = next(script, (200, {})) or (None, {})
            if status is None:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(ANSWER))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(ANSWER)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Scripted) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_busy_balancers_and_broken_connections_are_asked_again(client, picture):
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
    with answering(
        (503, {"Retry-After": "1"}),
        None,
        (502, {}),
        (429, {"Retry-After": soon}),
        (503, {"Retry-After": "?"}),
    ) as (url, asked):
        done = client("classify", picture, "--url", url)

    assert (done.code, [row["label"] for row in done.rows]) == (0, ["7"])
    assert len(asked) == 6
    assert "Waiting: The answer was 503 Service Unavailable." in done.err


@pytest.mark.parametrize("status", [400, 413, 422, 500, 504])
def test_what_another_attempt_does_not_mend_is_asked_once(client, picture, status):
    with answering((status, {"Retry-After": "1"})) as (url, asked):
        done = client("classify", picture, "--url", url)

    assert (done.code, done.rows[0]["status"], len(asked)) == (1, status, 1)


def test_nobody_waits_for_longer_than_the_patience(client, picture):
    with answering((503, {"Retry-After": "3600"})) as (url, asked):
        done = client("classify", picture, "--url", url)

    assert (done.code, done.rows[0]["status"], len(asked)) == (1, 503, 1)


def test_a_dead_service_is_named(client, picture):
    url = f"http://127.0.0.1:{servers.free_port()}"

    done = client("classify", *[picture] * 50, "--url", url, "--patience", 0.5)

    assert done.code == 1
    assert len(done.rows) == 50
    assert all(row["error"].startswith(f"{url} does not answer:") for row in done.rows)
    assert "50 of 50 pictures were not answered." in done.err


def test_a_dead_service_is_waited_for_once_and_not_for_each_picture(client, picture):
    with answering(*[None] * 1000) as (url, asked):
        done = client("classify", *[picture] * 500, "--url", url, "--patience", 1, "--jobs", 4)

    assert (done.code, len(done.rows)) == (1, 500)
    assert 4 <= len(asked) < 100


@pytest.mark.slow
def test_a_service_that_starts_meanwhile_answers(picture, zoo, tmp_path, monkeypatch):
    port = servers.free_port()
    monkeypatch.setattr(servers, "free_port", lambda: port)
    command = [*COMMAND, "classify", str(picture), "--url", f"http://127.0.0.1:{port}", "--patience", "120"]
    with subprocess.Popen(
        command, cwd=REPO, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert "does not answer" in process.stderr.readline()
        with serving(zoo, tmp_path / "log"):
            rows = [json.loads(line) for line in process.stdout]

    assert [row["label"] for row in rows] == ["7"]
    assert process.returncode == 0


def test_ctrl_c_ends_between_two_rows(server, picture):
    command = [*COMMAND, "classify", *[str(picture)] * 3000, "--url", server, "--jobs", "2"]
    with subprocess.Popen(
        command,
        cwd=REPO,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # What a shell starts in its background ignores Ctrl-C, and so do the children of that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        first = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rows = [json.loads(line) for line in [first, *process.stdout]]
        said = process.stderr.read()

    assert process.returncode == 130
    assert said == f"Interrupted after {len(rows)} pictures, {len(rows)} of them answered.\n"
    assert 1 <= len(rows) < 3000


@pytest.fixture(scope="module")
def strict(zoo, tmp_path_factory):
    """A server that asks for a key, limits the rate and keeps a log; and the log's folder."""
    folder = tmp_path_factory.mktemp("strict")
    settings = {"api_keys": KEY, "rate_limit": str(RATE), "prediction_log": str(folder / "log")}
    with serving(zoo, folder / "output", workers="1", **settings) as url:
        yield url, folder / "log"


@pytest.mark.slow
def test_feedback_reaches_the_log(client, strict):
    url, log = strict

    label = client("feedback", "order-66", "7", "--index", 2, "--url", url, GLIMPSE_API_KEY=KEY)
    amount = client("feedback", "order-67", "23500", "--price", "--url", url, "--key", KEY)

    assert label.rows == [{"request_id": "order-66", "index": 2, "truth": "7"}]
    assert amount.rows == [{"request_id": "order-67", "truth": 23500.0}]
    assert [line["feedback"]["truth"] for line in written(log, 2)] == ["7", 23500.0]


@pytest.mark.slow
@pytest.mark.parametrize("key", ["", "wrong-key-of-another-place"])
def test_without_the_key_the_service_says_so(client, strict, picture, key):
    done = client("classify", picture, "--url", strict[0], GLIMPSE_API_KEY=key)

    assert (done.code, done.rows[0]["status"]) == (1, 401)
    assert "This service asks for a key" in done.rows[0]["error"]
    assert not key or key not in done.out + done.err


@pytest.mark.slow
def test_a_rate_limit_is_waited_for(client, strict, picture):
    """One more second's worth than goes at once; without patience, the same is refused."""
    many = [picture] * (BURST + 2 * RATE)

    patient = client("classify", *many, "--url", strict[0], GLIMPSE_API_KEY=KEY)
    hasty = client("classify", *many, "--url", strict[0], "--patience", 0, GLIMPSE_API_KEY=KEY)

    assert (patient.code, len(patient.rows)) == (0, len(many))
    assert f"Waiting: One client may send {RATE} pictures per second here" in patient.err
    assert KEY not in patient.out + patient.err
    assert hasty.code == 1
    refused = [row for row in hasty.rows if "error" in row]
    assert len(hasty.rows) == len(many)
    assert {row["status"] for row in refused} == {429}
