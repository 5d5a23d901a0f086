"""The knee of a load: up to it more users get more done, past it they mostly wait.

It is the maximum of power: requests/s over mean latency (L. Kleinrock, Power and deterministic rules
of thumb for probabilistic problems in computer communications, ICC 1979; R. Jain, The Art of Computer
Systems Performance Analysis, 1991, section 3.3). Before it, one percent more load raises requests/s by a
larger percentage than latency; after it, by a smaller one. It has no parameter, and stages past the knee
do not move it.
"""

from collections.abc import Sequence

from loadtests.users.stage_stats import StageStats


def power(stage: StageStats) -> float:
    """Requests/s over milliseconds; 0 where nothing was answered."""
    return stage.requests_per_s / stage.mean_ms if stage.mean_ms else 0.0


def find_knee(stages: Sequence[StageStats]) -> int | None:
    """The index of the knee.

    Args:
        stages: By users, fewest first.

    Returns:
        None where power is highest at the most users (the load did not reach a knee) or nothing was
        answered.
    """
    powers = [power(stage) for stage in stages]
    if not powers or max(powers) == 0 or max(powers) == powers[-1]:
        return None
    return powers.index(max(powers))
