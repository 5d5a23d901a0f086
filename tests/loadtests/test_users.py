"""The load test itself: it loads a real server, leaves a report, and fails when answers are wrong."""

import json
import os
import re
import subprocess
import sys
import time

import pytest

from loadtests import pictures
from loadtests.server import REPO
from loadtests.users import report
from loadtests.users.knee import find_knee
from loadtests.users.shapes import SHAPES, Stage, stage_at
from loadtests.users.stage_stats import Measured, Recorder, Request, measure


def run(*options: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "loadtests", *map(str, options)],
        cwd=REPO, env=os.environ | environment, capture_output=True, text=True, timeout=180,
    )  # fmt: skip


def met(users: int, requests_per_s: float, mean_ms: float) -> Measured:
    """A stage of one second in which every answer took as long."""
    return Measured(users, 1.0, True, round(requests_per_s), 0, 0, mean_ms, mean_ms, mean_ms, mean_ms)


def users_at(shape: str, seconds: float, users: int, duration: float) -> int | None:
    stages = SHAPES[shape].stages(users, duration)
    on = stage_at(stages, seconds)
    return None if on is None else stages[on].users


@pytest.mark.slow
def test_a_short_run_passes_and_leaves_a_report(tmp_path):
    html = tmp_path / "report.html"
    done = run("--seconds", 3, "--users", 4, "--report", html)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASS" in done.stdout
    assert "<html" in html.read_text()
    assert not html.with_suffix(".png").exists()


@pytest.mark.slow
def test_steps_leave_a_picture_of_the_knee(tmp_path):
    html = tmp_path / "steps.html"
    done = run("--shape", "steps", "--seconds", 10, "--users", 6, "--report", html)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "knee" in done.stdout
    assert "<html" in html.read_text()
    assert html.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    stages = [Measured(**stage) for stage in json.loads(html.with_suffix(".json").read_text())]
    assert [stage.users for stage in stages] == [1, 2, 3, 4, 6]
    assert all(stage.answered for stage in stages)


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "users", "passes"), [("spike", 1, True), ("steady", 40, False)])
def test_refusals_fail_a_run_only_where_users_are_not_too_many(tmp_path, shape, users, passes):
    html = tmp_path / "report.html"
    done = run(
        "--shape", shape, "--users", users, "--seconds", 5, "--report", html, GLIMPSE_QUEUE_LIMIT="1"
    )  # fmt: skip

    assert (done.returncode == 0) == passes, done.stdout + done.stderr
    assert ("/classify refused" in done.stdout + done.stderr) == passes
    assert re.search(r"[1-9]\d* refusals" if passes else "503: .*Overloaded", done.stdout + done.stderr)


@pytest.mark.slow
def test_wrong_answers_fail_the_run(server):
    """The same users against calls that cannot answer: a model's name that does not exist."""
    done = subprocess.run(
        [sys.executable, "-m", "locust", "-f", "loadtests/users/locustfile.py", "--headless",
         "--only-summary", "--host", f"{server}/nothing-here", "-u", "2", "-r", "2", "-t", "2s"],
        cwd=REPO, capture_output=True, text=True, timeout=120,
    )  # fmt: skip

    assert done.returncode == 1
    assert "FAIL" in done.stderr


def test_uploads_have_right_answers_to_compare_with():
    digits = pictures.digits()

    assert len({upload.label for upload in digits}) > 1
    assert all(upload.content.startswith(b"\x89PNG") for upload in digits)
    assert all(upload.content.startswith(b"\xff\xd8") for upload in pictures.cars())


@pytest.mark.parametrize(
    ("shape", "seconds", "expected"),
    [
        pytest.param("steady", 0, 16, id="steady-begins-at-once"),
        pytest.param("steady", 99, 16, id="steady-stays"),
        pytest.param("steady", 100, None, id="steady-ends"),
        pytest.param("steps", 0, 1, id="steps-begin-with-one"),
        pytest.param("steps", 50, 6, id="steps-fifth-of-eight"),
        pytest.param("steps", 99, 16, id="steps-end-with-all"),
        pytest.param("steps", 100, None, id="steps-end"),
        pytest.param("spike", 39, 16, id="calm"),
        pytest.param("spike", 41, 640, id="spike"),
        pytest.param("spike", 61, 16, id="calm-again"),
        pytest.param("soak", 55, 16, id="soak-stays"),
        pytest.param("soak", 100, None, id="soak-ends"),
    ],
)
def test_users_come_and_go_as_the_shape_says(shape, seconds, expected):
    assert users_at(shape, seconds, users=16, duration=100) == expected


@pytest.mark.parametrize("most", [1, 2, 5, 64, 100])
def test_steps_grow_to_at_most_what_was_asked_for(most):
    users = [stage.users for stage in SHAPES["steps"].stages(most, 60)]

    assert users == sorted(set(users))
    assert users[0] == 1
    assert most / 1.5 < users[-1] <= most


def test_a_stage_is_measured_once_it_has_settled():
    before, after = (
        (Request(1.9, "answered", 900.0), Request(1.9, "failed", 1.0)),
        Request(2.0, "refused", 1.0),
    )
    answered = [Request(5.0, "answered", float(latency)) for latency in range(1, 101)]
    measured = measure(Stage(3, 10), [*before, after, *answered], lasted=10.0)

    assert (measured.answered, measured.refused, measured.failed) == (100, 1, 0)
    assert measured.requests_per_s == pytest.approx(100 / 8)
    assert (measured.mean_ms, measured.p50_ms) == (50.5, 50.5)
    assert measured.p95_ms == pytest.approx(95, abs=0.1)


def test_each_request_belongs_to_the_stage_it_ended_in():
    recorder = Recorder()
    recorder.begin(Stage(1, 1))
    recorder.begin(Stage(2, 1))
    time.sleep(0.01)
    recorder.note("answered", 1.0)

    assert [(stage.users, stage.answered) for stage in recorder.end()] == [(1, 0), (2, 1)]


@pytest.mark.parametrize(
    ("overload", "answered", "refused", "failed", "p95", "bad"),
    [
        pytest.param(False, 9, 0, 0, 20.0, "", id="good"),
        pytest.param(False, 9, 1, 0, 20.0, "1 refusals", id="refused"),
        pytest.param(True, 9, 1, 0, 20.0, "", id="refused-of-too-many"),
        pytest.param(False, 9, 0, 0, 2000.0, "p95", id="slow"),
        pytest.param(True, 9, 0, 0, 2000.0, "", id="slow-for-too-many"),
        pytest.param(True, 9, 0, 1, 20.0, "1 failures", id="failed"),
        pytest.param(True, 0, 9, 0, None, "no answer", id="nothing-answered"),
    ],
)
def test_what_is_good_enough(overload, answered, refused, failed, p95, bad):
    stage = Measured(4, 1.0, overload, answered, refused, failed, p95, p95, p95, p95)

    assert bad in stage.why_bad()
    assert bool(stage.why_bad()) == bool(bad)


def queue(users: int, capacity: float, think: float = 0.1, service: float = 0.01) -> Measured:
    """The asymptotic bounds of an interactive system (Jain 1991, chapter 33): nobody waits until
    capacity is reached, and from there on users queue."""
    seconds = max(service, users / capacity - think)
    return met(users, users / (seconds + think), 1000 * seconds)


STEPS = [stage.users for stage in SHAPES["steps"].stages(128, 1)]


@pytest.mark.parametrize(("capacity", "knee"), [(100, 8), (300, 32), (500, 48)])
def test_the_knee_is_where_capacity_is_reached(capacity, knee):
    """At capacity x (think + service) = 11, 33 and 55 users: the last step below is the knee."""
    found = find_knee([queue(users, capacity) for users in STEPS])

    assert found is not None
    assert STEPS[found] == knee


def test_a_load_further_past_the_knee_changes_nothing():
    stages = [queue(users, 300) for users in [*STEPS, 256, 512, 1024]]

    assert find_knee(stages) == find_knee(stages[: len(STEPS)]) == STEPS.index(32)


def test_of_one_queue_the_knee_is_at_half_its_capacity():
    """M/M/1, capacity 100 requests/s: latency 1 / (100 - load); its power is highest at 50."""
    loads = [10, 20, 30, 40, 50, 60, 70, 80, 90]

    assert loads[find_knee([met(load, load, 1000 / (100 - load)) for load in loads]) or 0] == 50


def test_a_little_noise_moves_no_knee():
    stages = [queue(users, 300 * (1 + 0.05 * (-1) ** index)) for index, users in enumerate(STEPS)]
    found = find_knee(stages)

    assert found is not None
    assert STEPS[found] in (24, 32, 48)


@pytest.mark.parametrize(
    "stages",
    [
        pytest.param([met(users, 10 * users, 5.0) for users in STEPS], id="grows-to-the-end"),
        pytest.param([met(1, 10, 5.0)], id="one-stage"),
        pytest.param([], id="nothing"),
        pytest.param([Measured(users, 1.0, True, 0, 9, 0, *[None] * 4) for users in STEPS], id="all-refused"),
    ],
)
def test_no_knee(stages):
    assert find_knee(stages) is None


def test_the_report_names_the_knee_and_draws_what_was_refused(tmp_path):
    stages = [queue(users, 300) for users in STEPS[:-1]]
    stages.append(Measured(128, 1.0, True, 0, 900, 0, *[None] * 4))
    report.draw_knee(stages, tmp_path / "knee.png")

    assert (tmp_path / "knee.png").read_bytes().startswith(b"\x89PNG")
    assert "knee at 32 users: 291 requests/s" in report.knee_in_words(stages)
    assert report.knee_in_words(stages[:2]) == "no knee up to 2 users"
    assert report.table(stages).splitlines()[-1].split() == ["128", "0", "900", "0", "-", "-", "-"]
