"""The knee of a load: up to there more users get more done, past it they mostly wait.

It is where power is highest: requests/s over mean latency (L. Kleinrock, Power and deterministic rules
of thumb for probabilistic problems in computer communications, ICC 1979; R. Jain, The Art of Computer
Systems Performance Analysis, 1991, section 3.3). Before it, one percent more load brings more percent
of requests/s than of latency; after it, fewer. There is nothing to tune, and how far past the knee the
load goes changes nothing.
"""

from collections.abc import Sequence

from loadtests.users.stage_stats import Measured


def power(measured: Measured) -> float:
    """Requests/s over milliseconds; 0 where nothing was answered."""
    return measured.requests_per_s / measured.mean_ms if measured.mean_ms else 0.0


def find_knee(stages: Sequence[Measured]) -> int | None:
    """The index of the knee. stages: by users, fewest first.

    None where power is highest at the most users (the load never got there) or nothing was answered.
    """
    powers = [power(stage) for stage in stages]
    if not powers or max(powers) == 0 or max(powers) == powers[-1]:
        return None
    return powers.index(max(powers))
