"""The load of hostile requests, a short one: its verdict, and that it can be otherwise."""

import subprocess
import sys
from collections import Counter

import pytest

from loadtests.hostile.__main__ import mix, verdict
from loadtests.server import REPO

pytestmark = pytest.mark.slow


@pytest.mark.slow
def test_a_thousand_hostile_requests_change_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "loadtests.hostile", "--requests", "600", "--warming", "400",
         "--connections", "8", "--log", tmp_path / "log"],
        cwd=REPO, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    assert "PASS" in done.stdout
    assert "warm" in done.stdout and "peak" in done.stdout


@pytest.mark.parametrize(
    ("counted", "after", "good"),
    [
        ({"200": 5, "400": 9, "503": 1}, 350.0, True),
        ({"200": 5, "500": 1}, 300.0, False),
        ({"200": 5, "504": 1}, 300.0, False),
        ({"200": 5, "form-empty: answered [200]": 1}, 300.0, False),
        ({"200": 5, "form-empty: TimeoutError": 1}, 300.0, False),
        ({"200": 5}, 401.0, False),
    ],
)
def test_the_verdict(counted, after, good):
    assert verdict(Counter(counted), {"warm": 300.0, "peak": 800.0, "after": after}) is good


def test_the_mix_is_the_same_each_time():
    assert mix() == mix()
    assert len({request.name for request in mix()}) > 150
