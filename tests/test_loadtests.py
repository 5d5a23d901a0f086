"""The load test itself: it loads a real server, leaves a report, and fails when answers are wrong."""

import subprocess
import sys

import pytest

from loadtests import pictures
from loadtests.server import REPO

pytestmark = pytest.mark.slow


def test_a_short_run_passes_and_leaves_a_report(tmp_path):
    report = tmp_path / "report.html"
    done = subprocess.run(
        [sys.executable, "-m", "loadtests", "--seconds", "3", "--users", "4", "--report", report],
        cwd=REPO, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS" in done.stdout
    assert "<html" in report.read_text()


def test_wrong_answers_fail_the_run(server, tmp_path):
    """The same users against calls that cannot answer: a model's name that does not exist."""
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", "loadtests/locustfile.py", "--headless", "--only-summary",
         "--host", f"{server}/nothing-here", "-u", "2", "-r", "2", "-t", "2s"],
        cwd=REPO, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert done.returncode == 1
    assert "FAIL" in done.stderr


def test_uploads_have_right_answers_to_compare_with():
    digits = pictures.digits()

    assert len({upload.label for upload in digits}) > 1
    assert all(upload.content.startswith(b"\x89PNG") for upload in digits)
    assert all(upload.content.startswith(b"\xff\xd8") for upload in pictures.cars())
