"""The shapes of a load: how many users there are, stage after stage.

Knows nothing of locust, which patches the standard library when it is imported: locustfile.py follows
these.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

SPIKE = 40
"""Times as many users in a spike: at 16 before it, more than may wait for one model."""

MINUTES = 10
"""Parts of a soak, in each of which it is measured anew: what grows worse with time shows."""


@dataclass(frozen=True)
class Stage:
    """users at once for some seconds. overload: they may be more than can be answered, so waiting and
    refusals are no failure."""

    users: int
    seconds: float
    overload: bool = False


Stages = tuple[Stage, ...]


@dataclass(frozen=True)
class Shape:
    """stages: (users, seconds of the whole run) -> its stages. users, seconds: where nobody says.
    think: mean of the seconds between an answer and the same user's next request."""

    stages: Callable[[int, float], Stages]
    users: int
    seconds: float
    think: float = 0.0

    @property
    def overloads(self) -> bool:
        return any(stage.overload for stage in self.stages(self.users, self.seconds))


def steady(users: int, seconds: float) -> Stages:
    """The same users all the time."""
    return (Stage(users, seconds),)


def steps(users: int, seconds: float) -> Stages:
    """1, 2, 3, 4, 6, 8, 12, ... up to at most `users`, two steps to a doubling, each equally long."""
    counts = sorted(times << doublings for times in (1, 3) for doublings in range(users.bit_length()))
    fitting = [count for count in counts if count <= users]
    return tuple(Stage(count, seconds / len(fitting), overload=True) for count in fitting)


def spike(users: int, seconds: float) -> Stages:
    """Calm, a fifth of the time with SPIKE times as many, calm again."""
    calm = Stage(users, 0.4 * seconds)
    return (calm, Stage(SPIKE * users, 0.2 * seconds, overload=True), calm)


def soak(users: int, seconds: float) -> Stages:
    """The same users for long."""
    return (Stage(users, seconds / MINUTES),) * MINUTES


SHAPES: Mapping[str, Shape] = {
    "steady": Shape(steady, users=16, seconds=30),
    # Who asks again at once keeps a small machine busy alone: users who think make a load that grows.
    "steps": Shape(steps, users=128, seconds=140, think=0.1),
    "spike": Shape(spike, users=16, seconds=60),
    "soak": Shape(soak, users=16, seconds=60 * MINUTES),
}


def stage_at(stages: Sequence[Stage], elapsed: float) -> int | None:
    """The index of the stage that is on after so many seconds; None after the last."""
    ends = accumulate(stage.seconds for stage in stages)
    return next((index for index, end in enumerate(ends) if elapsed < end), None)
