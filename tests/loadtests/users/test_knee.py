"""The knee of a load, found in queues of known capacity, and the report on it."""

import pytest

from loadtests.users import report
from loadtests.users.knee import find_knee
from loadtests.users.shapes import SHAPES
from loadtests.users.stage_stats import StageStats

STEPS = [stage.users for stage in SHAPES["steps"].stages(128, 1)]


def stats(users: int, requests_per_s: float, mean_ms: float) -> StageStats:
    """A stage of one second in which every response took equally long."""
    return StageStats(users, 1.0, True, round(requests_per_s), 0, 0, mean_ms, mean_ms, mean_ms, mean_ms)


def queue(users: int, capacity: float, think_s: float = 0.1, service_s: float = 0.01) -> StageStats:
    """The asymptotic bounds of an interactive system (Jain 1991, chapter 33).

    Nothing waits until capacity is reached; from there on users queue.
    """
    response_s = max(service_s, users / capacity - think_s)
    return stats(users, users / (response_s + think_s), 1000 * response_s)


@pytest.mark.parametrize(("capacity", "knee"), [(100, 8), (300, 32), (500, 48)])
def test_knee_is_where_capacity_is_reached(capacity, knee):
    """The last step below capacity x (think + service) = 11, 33 and 55 users."""
    found = find_knee([queue(users, capacity) for users in STEPS])

    assert found is not None
    assert STEPS[found] == knee


def test_load_past_the_knee_does_not_move_it():
    stages = [queue(users, 300) for users in [*STEPS, 256, 512, 1024]]

    assert find_knee(stages) == find_knee(stages[: len(STEPS)]) == STEPS.index(32)


def test_knee_of_one_queue_is_at_half_its_capacity():
    """M/M/1, capacity 100 requests/s: latency 1 / (100 - load), best power at 50."""
    loads = [10, 20, 30, 40, 50, 60, 70, 80, 90]

    assert loads[find_knee([stats(load, load, 1000 / (100 - load)) for load in loads]) or 0] == 50


def test_noise_does_not_move_the_knee():
    stages = [queue(users, 300 * (1 + 0.05 * (-1) ** index)) for index, users in enumerate(STEPS)]
    found = find_knee(stages)

    assert found is not None
    assert STEPS[found] in (24, 32, 48)


@pytest.mark.parametrize(
    "stages",
    [
        pytest.param([stats(users, 10 * users, 5.0) for users in STEPS], id="grows-to-the-end"),
        pytest.param([stats(1, 10, 5.0)], id="one-stage"),
        pytest.param([], id="nothing"),
        pytest.param(
            [StageStats(users, 1.0, True, 0, 9, 0, *[None] * 4) for users in STEPS], id="all-refused"
        ),
    ],
)
def test_no_knee(stages):
    assert find_knee(stages) is None


def test_report_names_the_knee(tmp_path):
    stages = [queue(users, 300) for users in STEPS[:-1]]
    stages.append(StageStats(128, 1.0, True, 0, 900, 0, *[None] * 4))
    report.draw_knee(stages, tmp_path / "knee.png")

    assert (tmp_path / "knee.png").read_bytes().startswith(b"\x89PNG")
    assert "knee at 32 users: 291 requests/s" in report.describe_knee(stages)
    assert report.describe_knee(stages[:2]) == "no knee up to 2 users"
    assert report.table(stages).splitlines()[-1].split() == ["128", "0", "900", "0", "-", "-", "-"]
