"""Round after round, server after server: started, looked at, loaded, ended."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loadtests import pictures
from loadtests.bench import processes
from loadtests.bench.contenders import CONTENDERS, Contender, ContenderError, check, install, running
from loadtests.bench.load.generators import GeneratorError, closed
from loadtests.bench.load.photos import twelve_megapixels
from loadtests.bench.report.results import Sample, Scenario
from loadtests.bench.scenarios import ROWS, Load, Measured

WARM_UP = 2
"""Seconds of load at 16 connections that do not count."""

PHOTOS = 50
"""Of 12 megapixels."""


@dataclass(frozen=True)
class Plan:
    """servers, rows: by name. models: classifiers; rows that know only one take the first. overload: servers
    that get the open loop beside ours. seconds: of each closed loop. overload_seconds: of the open one.
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
    """Told what is going on. begins: a turn, its number and what it is. failed: what went wrong with one
    server; the others go on."""

    begins: Callable[[int, str], None]
    failed: Callable[[str], None]


def turns(plan: Plan) -> int:
    """Starts of servers."""
    return plan.rounds * len(plan.models) * len(plan.servers)


def samples(plan: Plan, watcher: Listener, logs: Path, scratch: Path) -> Iterator[Sample]:
    """Everything that is measured, as it is measured. logs: a folder for what the servers say. scratch:
    a folder for what is sent."""
    contenders = list(_installed(plan, watcher))
    photos = twelve_megapixels(PHOTOS) if {"price", "prices"} & set(plan.rows) else []
    turn = itertools.count()
    for number in range(plan.rounds):
        for model in plan.models:
            load = Load(model, pictures.digits(model), photos, plan.seconds, plan.overload_seconds, scratch)
            for contender in contenders:
                what = f"round {number + 1}, {model}, {contender.title}"
                watcher.begins(next(turn), what)
                try:
                    for case, values in _turn(plan, number, contender, load, logs):
                        yield Sample(number, contender.name, case, values)
                except (ContenderError, GeneratorError) as error:
                    watcher.failed(f"{what}: {error}")


def _installed(plan: Plan, watcher: Listener) -> Iterator[Contender]:
    for name in plan.servers:
        try:
            install(CONTENDERS[name])
        except ContenderError as error:
            watcher.failed(str(error))
        else:
            yield CONTENDERS[name]


def _turn(plan: Plan, number: int, contender: Contender, load: Load, logs: Path) -> Measured:
    """One start of one server and all its rows. number: of the round."""
    first = load.model == plan.models[0]
    with running(contender, load.model, logs / f"{contender.name}.log") as server:
        if first:
            now = processes.memory(server.mark)
            yield Scenario("start"), {"ready_s": server.ready_after, "largest_mb": now.largest}
        check(contender, server.url, load.digits)
        sent = [contender.encode(upload) for upload in load.digits]
        closed(server.url + contender.path, sent, 16, WARM_UP, load.scratch)
        for name, row in ROWS.items():
            asked = row.servers is None or contender.name in row.servers
            asked |= name == "overload" and contender.name in plan.overload
            asked &= name in plan.rows and (first or row.every_model) and (number == 0 or not row.once)
            if asked:
                yield from row.measure(contender, server, load)
