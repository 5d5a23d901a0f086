"""Servers: a failed start shows its log, and no process is left behind."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from loadtests import server
from loadtests.server import ServerError, started
from tests.support.processes import has_ended

READY_SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[-1])), Handler).serve_forever()
"""

IGNORES_SIGTERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)" + READY_SERVER

LEAVES_A_CHILD = "import subprocess; subprocess.Popen(['sleep', '600'])" + READY_SERVER


def start(source: str, tmp_path: Path):
    return started([sys.executable, "-c", source], tmp_path, os.environ, tmp_path / "log")


@pytest.fixture(autouse=True)
def _short_timeouts(monkeypatch):
    monkeypatch.setattr(server, "ENDS_WITHIN_S", 0.2)
    monkeypatch.setattr(server, "CHILDREN_END_WITHIN_S", 0.2)


def test_failed_start_shows_the_log(tmp_path):
    with (
        pytest.raises(ServerError, match="ended with 3:\nno models"),
        start("print('no models'); raise SystemExit(3)", tmp_path),
    ):
        pass


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        pytest.param(IGNORES_SIGTERM, "did not end", id="ignores-sigterm"),
        pytest.param(LEAVES_A_CHILD, "left a process behind: sleep 600", id="leaves-a-child"),
    ],
)
def test_nothing_is_left_behind(tmp_path, source, problem):
    others = set(psutil.Process().children(recursive=True))  # servers that other tests share
    children = []
    with pytest.raises(ServerError, match=problem), start(source, tmp_path):
        children += set(psutil.Process().children(recursive=True)) - others
    assert children
    assert all(has_ended(child.pid) for child in children)


def test_start_that_takes_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "READY_WITHIN_S", 0.2)
    with pytest.raises(ServerError, match="not ready after"), start("import time; time.sleep(600)", tmp_path):
        pass
