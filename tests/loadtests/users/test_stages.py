"""The stages of a load: the number of users in each, and the statistics on it."""

import pytest

from loadtests.users.shapes import SHAPES, Stage, stage_at
from loadtests.users.stage_stats import Recorder, Request, StageStats, measure


def users_at(shape: str, elapsed_s: float, users: int, duration: float) -> int | None:
    stages = SHAPES[shape].stages(users, duration)
    index = stage_at(stages, elapsed_s)
    return None if index is None else stages[index].users


@pytest.mark.parametrize(
    ("shape", "elapsed_s", "expected"),
    [
        pytest.param("steady", 0, 16, id="steady-starts"),
        pytest.param("steady", 99, 16, id="steady-stays"),
        pytest.param("steady", 100, None, id="steady-ends"),
        pytest.param("steps", 0, 1, id="steps-start-with-one"),
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
def test_users_by_shape(shape, elapsed_s, expected):
    assert users_at(shape, elapsed_s, users=16, duration=100) == expected


@pytest.mark.parametrize("most", [1, 2, 5, 64, 100])
def test_steps_grow_to_the_limit(most):
    users = [stage.users for stage in SHAPES["steps"].stages(most, 60)]

    assert users == sorted(set(users))
    assert users[0] == 1
    assert most / 1.5 < users[-1] <= most


def test_settling_is_not_measured():
    settling = [Request(1.9, "answered", 900.0), Request(1.9, "failed", 1.0)]
    answered = [Request(5.0, "answered", float(latency)) for latency in range(1, 101)]
    stats = measure(Stage(3, 10), [*settling, Request(2.0, "refused", 1.0), *answered], lasted_s=10.0)

    assert (stats.answered, stats.refused, stats.failed) == (100, 1, 0)
    assert stats.requests_per_s == pytest.approx(100 / 8)
    assert (stats.mean_ms, stats.p50_ms) == (50.5, 50.5)
    assert stats.p95_ms == pytest.approx(95, abs=0.1)


def test_requests_count_for_the_stage_they_end_in():
    now = 0.0
    recorder = Recorder(clock=lambda: now)
    recorder.begin(Stage(1, 1))
    now = 1.0
    recorder.begin(Stage(2, 1))
    now = 1.9
    recorder.note("answered", 1.0)
    now = 2.0

    assert [(stats.users, stats.answered) for stats in recorder.end()] == [(1, 0), (2, 1)]


@pytest.mark.parametrize(
    ("overload", "answered", "refused", "failed", "p95", "reason"),
    [
        pytest.param(False, 9, 0, 0, 20.0, "", id="good"),
        pytest.param(False, 9, 1, 0, 20.0, "1 refusals", id="refused"),
        pytest.param(True, 9, 1, 0, 20.0, "", id="refused-in-overload"),
        pytest.param(False, 9, 0, 0, 2000.0, "p95", id="slow"),
        pytest.param(True, 9, 0, 0, 2000.0, "", id="slow-in-overload"),
        pytest.param(True, 9, 0, 1, 20.0, "1 failures", id="failed"),
        pytest.param(True, 0, 9, 0, None, "no answer", id="nothing-answered"),
    ],
)
def test_failure_reason(overload, answered, refused, failed, p95, reason):
    stats = StageStats(4, 1.0, overload, answered, refused, failed, p95, p95, p95, p95)

    assert reason in stats.failure_reason()
    assert bool(stats.failure_reason()) == bool(reason)
