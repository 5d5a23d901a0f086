"""The shapes of a load: the number of users, stage after stage.

This module does not import locust, which patches the standard library; locustfile.py follows these shapes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

SPIKE_FACTOR = 40
"""Times as many users in a spike: 16 users become more than the queue of one model holds."""

SOAK_STAGES = 10
"""A soak is measured in as many parts, so that a slow decline shows."""


@dataclass(frozen=True)
class Stage:
    """A constant number of users for some time.

    Attributes:
        users: How many there are at the same time.
        seconds: How long the stage lasts.
        overload: Whether they may be more than the server can take: then slow responses and refusals are
            no failure.
    """

    users: int
    seconds: float
    overload: bool = False


Stages = tuple[Stage, ...]


@dataclass(frozen=True)
class Shape:
    """A way in which the number of users changes over a run.

    Attributes:
        stages: Makes the stages of a run from the number of users and the seconds of the whole run.
        users: Default number of users.
        seconds: Default length of the whole run.
        think_s: Mean seconds between a response and the next request of the same user.
    """

    stages: Callable[[int, float], Stages]
    users: int
    seconds: float
    think_s: float = 0.0

    @property
    def overloads(self) -> bool:
        """Whether any stage may have more users than the server can take."""
        return any(stage.overload for stage in self.stages(self.users, self.seconds))


def steady(users: int, seconds: float) -> Stages:
    """The same number of users all the time."""
    return (Stage(users, seconds),)


def steps(users: int, seconds: float) -> Stages:
    """1, 2, 3, 4, 6, 8, 12, ... up to `users`: two steps per doubling, equally long."""
    counts = sorted(times << doublings for times in (1, 3) for doublings in range(users.bit_length()))
    fitting = [count for count in counts if count <= users]
    return tuple(Stage(count, seconds / len(fitting), overload=True) for count in fitting)


def spike(users: int, seconds: float) -> Stages:
    """Few users, SPIKE_FACTOR times as many for a fifth of the time, few again."""
    calm = Stage(users, 0.4 * seconds)
    return (calm, Stage(SPIKE_FACTOR * users, 0.2 * seconds, overload=True), calm)


def soak(users: int, seconds: float) -> Stages:
    """The same number of users for a long time, measured part by part."""
    return (Stage(users, seconds / SOAK_STAGES),) * SOAK_STAGES


SHAPES: Mapping[str, Shape] = {
    "steady": Shape(steady, users=16, seconds=30),
    # A few users without think time already keep a small machine busy: with it, the load grows in steps.
    "steps": Shape(steps, users=128, seconds=140, think_s=0.1),
    "spike": Shape(spike, users=16, seconds=60),
    "soak": Shape(soak, users=16, seconds=60 * SOAK_STAGES),
}


def stage_at(stages: Sequence[Stage], elapsed_s: float) -> int | None:
    """The index of the stage in progress after so many seconds; None after the last."""
    ends = accumulate(stage.seconds for stage in stages)
    return next((index for index, end in enumerate(ends) if elapsed_s < end), None)
