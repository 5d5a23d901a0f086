"""Round after round and server after server: start, check, load, stop."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests import pictures
from loadtests.bench import cores, processes
from loadtests.bench.contenders import BARE, CONTENDERS, Contender, ContenderError, install
from loadtests.bench.load.photos import twelve_megapixels
from loadtests.bench.report.results import Sample, Scenario
from loadtests.bench.running_server import RunningServer, check_labels, running
from loadtests.bench.scenarios import ROWS, Load, Measurements, bare_loop
from loadtests.subprocesses import CommandError, UnavailableError

WARM_UP_CONNECTIONS = 16

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
        connections: Connections of the loads with one digit per request.
        seconds: Length of each closed loop.
        warm_up_seconds: Length of the load that is not measured, after each start.
        open_seconds: Length of the open loop at each rate.
    """

    rounds: int
    servers: Sequence[str]
    rows: Sequence[str]
    models: Sequence[str]
    overload: Sequence[str]
    connections: Sequence[int]
    seconds: int
    warm_up_seconds: int
    open_seconds: int


@dataclass(frozen=True)
class Listener:
    """Callbacks on the progress of a benchmark.

    Attributes:
        on_turn: Called at the start of each turn with its number and a description.
        on_error: Called with the problem of one server; the others go on.
        on_absence: Called with a server's name and the reason why it cannot run here.
    """

    on_turn: Callable[[int, str], None]
    on_error: Callable[[str], None]
    on_absence: Callable[[str, str], None]


def turns(plan: Plan) -> int:
    """The number of turns: of each server and of the bare loop."""
    return plan.rounds * len(plan.models) * (1 + len(plan.servers))


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
            load = Load(
                model,
                pictures.digits(model),
                photos,
                plan.connections,
                plan.seconds,
                plan.open_seconds,
                scratch,
            )
            listener.on_turn(next(turn), f"round {number + 1}, {model}, bare loop")
            with_prices = model == plan.models[0] and "price" in plan.rows
            for case, values in bare_loop(load, with_prices):
                yield Sample(number, BARE, case, values)
            # Every other round backwards: who follows whom may matter.
            for contender in contenders if number % 2 == 0 else contenders[::-1]:
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
        except UnavailableError as error:
            listener.on_absence(name, str(error))
        except ContenderError as error:
            listener.on_error(str(error))
        else:
            yield CONTENDERS[name]


def _turn(plan: Plan, number: int, contender: Contender, load: Load, logs: Path) -> Measurements:
    """One server and all its rows, in the round of this number."""
    is_first_model = load.model == plan.models[0]
    due = [
        row
        for name, row in ROWS.items()
        if name in plan.rows
        and (row.applies(contender) or (name == "overload" and contender.name in plan.overload))
        and (is_first_model or row.every_model)
        and (number == 0 or not row.once)
    ]
    log = logs / f"{contender.name}.log"
    with running(contender, load.model, log) as server:
        if is_first_model:
            largest_mb = processes.memory(server.mark).largest
            yield Scenario("start"), {"ready_s": server.ready_after_s, "largest_mb": largest_mb}
        check_labels(server, load.digits)
        _warm_up(plan, server, load)
        for row in due:
            if not row.pinned:
                yield from row.measure(server, load)
    for row in due:
        if row.pinned:
            with running(contender, load.model, log, cores.pins()[0]) as server:
                _warm_up(plan, server, load)
                yield from row.measure(server, load)


def _warm_up(plan: Plan, server: RunningServer, load: Load) -> None:
    bodies = [server.contender.encode(upload) for upload in load.digits]
    seconds = plan.warm_up_seconds
    server.closed_loop(server.contender.path, bodies, WARM_UP_CONNECTIONS, seconds, load.scratch)
