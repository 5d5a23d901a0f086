"""Round after round and server after server: start, check, load, stop."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests import pictures
from loadtests.bench import processes
from loadtests.bench.contenders import CONTENDERS, Contender, ContenderError, check_labels, install, running
from loadtests.bench.load.generators import closed_loop
from loadtests.bench.load.photos import twelve_megapixels
from loadtests.bench.report.results import Sample, Scenario
from loadtests.bench.scenarios import ROWS, Load, Measurements
from loadtests.subprocesses import CommandError

WARM_UP_S = 2
WARM_UP_CONNECTIONS = 16
"""Load that is not measured, after each start."""

PHOTOS = 50
"""Number of pictures of 12 megapixels."""


@dataclass(frozen=True)
class Plan:
    """What a benchmark measures.

    Attributes:
        rounds: How often everything is measured.
        servers: Names of contenders.
        rows: Names of rows.
        models: Classifiers; rows that measure only one take the first.
        overload: Servers that get the open loop beside ours.
        seconds: Length of each closed loop.
        overload_seconds: Length of the open loop.
    """

    rounds: int
    servers: Sequence[str]
    rows: Sequence[str]
    models: Sequence[str]
    overload: Sequence[str]
    seconds: int
    overload_seconds: int


@dataclass(frozen=True)
class Listener:
    """Callbacks on the progress of a benchmark.

    Attributes:
        on_turn: Called at the start of each turn with its number and a description.
        on_error: Called with the problem of one server; the others go on.
    """

    on_turn: Callable[[int, str], None]
    on_error: Callable[[str], None]


def turns(plan: Plan) -> int:
    """The number of times that a server is started."""
    return plan.rounds * len(plan.models) * len(plan.servers)


def samples(plan: Plan, listener: Listener, logs: Path, scratch: Path) -> Iterator[Sample]:
    """Measure everything.

    Args:
        plan: What to measure.
        listener: Hears of progress and errors.
        logs: A folder for the output of the servers.
        scratch: A folder for request bodies.

    Yields:
        Each sample as soon as it is measured.
    """
    contenders = list(_installed(plan, listener))
    photos = twelve_megapixels(PHOTOS) if {"price", "prices"} & set(plan.rows) else []
    turn = itertools.count()
    for number in range(plan.rounds):
        for model in plan.models:
            load = Load(model, pictures.digits(model), photos, plan.seconds, plan.overload_seconds, scratch)
            for contender in contenders:
                description = f"round {number + 1}, {model}, {contender.title}"
                listener.on_turn(next(turn), description)
                try:
                    for case, values in _turn(plan, number, contender, load, logs):
                        yield Sample(number, contender.name, case, values)
                except (ContenderError, CommandError) as error:
                    listener.on_error(f"{description}: {error}")


def _installed(plan: Plan, listener: Listener) -> Iterator[Contender]:
    for name in plan.servers:
        try:
            install(CONTENDERS[name])
        except ContenderError as error:
            listener.on_error(str(error))
        else:
            yield CONTENDERS[name]


def _turn(plan: Plan, number: int, contender: Contender, load: Load, logs: Path) -> Measurements:
    """One start of one server and all its rows, in the round of this number."""
    is_first_model = load.model == plan.models[0]
    with running(contender, load.model, logs / f"{contender.name}.log") as server:
        if is_first_model:
            largest_mb = processes.memory(server.mark).largest
            yield Scenario("start"), {"ready_s": server.ready_after_s, "largest_mb": largest_mb}
        check_labels(contender, server.url, load.digits)
        bodies = [contender.encode(upload) for upload in load.digits]
        closed_loop(server.url + contender.path, bodies, WARM_UP_CONNECTIONS, WARM_UP_S, load.scratch)
        for name, row in ROWS.items():
            applies = row.servers is None or contender.name in row.servers
            applies |= name == "overload" and contender.name in plan.overload
            is_due = (is_first_model or row.every_model) and (number == 0 or not row.once)
            if applies and is_due and name in plan.rows:
                yield from row.measure(contender, server, load)
