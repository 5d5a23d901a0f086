"""Locust users: a run on a real server, and the verdict on known faults."""

import json
import re
import subprocess
import sys

import pytest

from loadtests import pictures
from loadtests.server import REPO
from loadtests.users.stage_stats import StageStats
from tests.loadtests.users.stub_service import stub_service

pytestmark = pytest.mark.slow


def python_m(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], cwd=REPO, capture_output=True, text=True, timeout=300
    )  # fmt: skip


SECONDS = (2, 6, 30, 120)
"""Run times that are tried in turn: on a busy machine a short run may end before its second response."""


def test_run_leaves_report_and_knee(tmp_path):
    """Steps may overload the server: slow responses do not fail the run."""
    html = tmp_path / "steps.html"
    for seconds in SECONDS:
        completed = python_m(
            "loadtests", "--shape", "steps", "--seconds", seconds, "--users", 1, "--report", html
        )
        if "no answer" not in completed.stdout + completed.stderr:
            break

    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert "PASS" in completed.stdout
    assert "no knee up to 1 users" in completed.stdout
    assert "<html" in html.read_text()
    assert html.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    stages = [StageStats(**stage) for stage in json.loads(html.with_suffix(".json").read_text())]
    assert [stage.users for stage in stages] == [1]
    assert all(stage.answered and not stage.failed for stage in stages)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "shape", "passes", "output"),
    [
        pytest.param("wrong answers", "steps", False, "wrong answer for ", id="wrong-answers"),
        pytest.param("status 500", "steps", False, "500: .*Internal error", id="errors"),
        pytest.param("refuses half", "steady", False, "503: .*Overloaded", id="refusals"),
        pytest.param("refuses half", "steps", True, "/(classify|price) refused", id="refusals-in-overload"),
    ],
)
def test_verdict_on_faults(fault, shape, passes, output):
    with stub_service(fault) as url:
        for seconds in SECONDS:
            completed = python_m(
                "locust", "--locustfile", "loadtests/users/locustfile.py", "--headless", "--only-summary",
                "--host", url, "--shape", shape, "--users", 1, "--run-time", f"{seconds}s",
            )  # fmt: skip
            printed = completed.stdout + completed.stderr
            if re.search(output, printed):
                break

    assert completed.returncode == (0 if passes else 1), printed
    assert ("PASS: " if passes else "FAIL: ") in printed
    assert re.search(output, printed), printed


def test_uploads_have_labels_and_formats():
    digits = pictures.digits()

    assert len({upload.label for upload in digits}) > 1
    assert all(upload.content.startswith(b"\x89PNG") for upload in digits)
    assert all(upload.content.startswith(b"\xff\xd8") for upload in pictures.cars())
