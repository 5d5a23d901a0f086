"""The goals and whether they are met.

Each is judged by its worst figure over 16 and 64 connections, or over the rates of an open loop.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from loadtests.bench.contenders import BARE, CONTENDERS, OURS
from loadtests.bench.cores import REAL
from loadtests.bench.report.results import Results, Scenario

BUSY_CONNECTIONS = (16, 64)
"""Connections at which throughput is judged."""

MIN_TIMES = {"mosec": 1.05, "fastapi-workers": 1.4, "fastapi": 2.0}
"""Our requests/s over theirs."""

MAX_CPU = {"mosec": 0.9, "fastapi-workers": 0.65, "fastapi": 0.65, "pytriton": 0.65}
"""Our CPU time per picture over theirs."""

MIN_GOODPUT = {1.5: 0.95, 2.0: 0.95, 3.0: 0.92, 5.0: 0.9}
"""200s per second over those at the best rate of the run, by rate."""

RATE, CPU, P50, P99 = "requests_per_s", "cpu_ms", "p50_ms", "p99_ms"


@dataclass(frozen=True)
class Verdict:
    """One line of the table of goals.

    Attributes:
        work: What the server does.
        goal: What is asked.
        figure: What was measured.
        met: None where it was not measured.
    """

    work: str
    goal: str
    figure: str
    met: bool | None


def judge(results: Results, model: str) -> list[Verdict]:
    """Judge all goals; model is the classifier that they are about."""
    return [
        *_digits(results, model, "raw"), *_digits(results, model, "form"), *_one_connection(results, model),
        *_cores(results, model), *_price(results), *_batch(results, model), *_overload(results, model),
        *_start(results),
    ]  # fmt: skip


def price_deviation(results: Results) -> float | None:
    """Mean relative difference to the prices after a whole decode, over all photos."""
    ratios = [
        results.ratio((OURS, case, "price"), ("fastapi", case, "price")) for case in results.cases("prices")
    ]
    differences = [abs(ratio - 1) for ratio in ratios if ratio is not None]
    return sum(differences) / len(differences) if differences else None


def _digits(results: Results, model: str, row: str) -> Iterator[Verdict]:
    work = f"one 280 x 280 PNG digit per request, {row}"
    cases = [Scenario(row, model, connections) for connections in BUSY_CONNECTIONS]
    bare = results.bare(model)
    peers = [name for name, contender in CONTENDERS.items() if name != OURS and row in contender.bodies]
    if bare:
        ratios = _ratios(results, cases, BARE, CPU, bare)
        yield _each(work, "CPU per picture at most 1.15 of the bare loop's", ratios, 1.15)
        ratios = _ratios(results, cases, BARE, RATE, bare)
        yield _each(work, "requests/s at least 0.88 of the bare loop's", ratios, 0.88, at_least=True)
    for name in peers:
        if name in MIN_TIMES:
            goal = f"at least {MIN_TIMES[name]:g}x {CONTENDERS[name].title}"
            yield _each(work, goal, _ratios(results, cases, name, RATE), MIN_TIMES[name], at_least=True)
    for name in peers:
        if name in MAX_CPU:
            goal = f"CPU per picture at most {MAX_CPU[name]:g} of {CONTENDERS[name].title}"
            yield _each(work, goal, _ratios(results, cases, name, CPU), MAX_CPU[name])
    for name in peers:
        if name in MIN_TIMES:
            goal = f"p99 not above {CONTENDERS[name].title}"
            yield _each(work, goal, _ratios(results, cases, name, P99), 1.0)
    counts = [
        results.total(OURS, Scenario(row, model, count), "failures") for count in (1, *BUSY_CONNECTIONS)
    ]
    measured = [count for count in counts if count is not None]
    yield _at_most(work, "no failure", sum(measured) if measured else None, 0, "{:.0f}")


def _one_connection(results: Results, model: str) -> Iterator[Verdict]:
    work = "one connection"
    for row in ("raw", "form"):
        case, bare = Scenario(row, model, 1), Scenario("bare", model, 1)
        ours, alone = results.by_round(OURS, case, P50), results.by_round(BARE, bare, P50)
        ratios = [ours[number] / (1.1 * alone[number] + 0.5) for number in ours if number in alone]
        medians = [results.median(OURS, case, P50), results.median(BARE, bare, P50)]
        figure = "{:.2f} ms, bare {:.2f}".format(*(median or 0.0 for median in medians))
        yield _at_most(
            work, f"{row}: p50 at most 1.1 of the bare loop's + 0.5 ms",
            statistics.median(ratios) if ratios else None, 1.0, figure + ", {:.2f} of what is allowed",
        )  # fmt: skip
        for name in ("fastapi-workers", "fastapi"):
            goal = f"{row}: p50 below {CONTENDERS[name].title}"
            yield _each(work, goal, _ratios(results, [case], name, P50), 1.0)


def _cores(results: Results, model: str) -> Iterator[Verdict]:
    """From one core, with the generator on another, to both with the generator among them."""
    bare = results.bare(model)
    if bare and bare.connections == 2 and results.gain(model, CPU) >= 2 * REAL:
        one, two = Scenario("overload", model, 64), Scenario("raw", model, 64)
        gain = results.ratio((OURS, two, RATE), (OURS, one, RATE))
        figure = f"{{:.2f}}x; bare loop {results.gain(model, RATE):.2f}x"
        yield _at_least("two real cores", "1.9x of one core", gain, 1.9, figure)


def _price(results: Results) -> Iterator[Verdict]:
    work = "one 12-megapixel JPEG to a price"
    for name in ("fastapi-workers", "fastapi"):
        goal = f"at least 4x {CONTENDERS[name].title}, plain Pillow"
        ratios = _ratios(results, results.cases("price"), name, RATE)
        yield _each(work, goal, ratios, 4.0, at_least=True)
    figure = f"{{:.2%}} over {len(results.cases('prices'))} photos"
    goal = "price within 0.5 % of the whole decode on average"
    yield _at_most(work, goal, price_deviation(results), 0.005, figure)


def _batch(results: Results, model: str) -> Iterator[Verdict]:
    fraction = results.ratio(
        (OURS, Scenario("batch", model), "pictures_per_s"), (BARE, Scenario("bare", model, 1), RATE)
    )
    goal = "60 % of the bare loop in one process"
    yield _at_least("64 digits in one /classify/batch request", goal, fraction, 0.6, "{:.0%}")


def _overload(results: Results, model: str) -> Iterator[Verdict]:
    work = "open loop at 0.7 to 5 times the closed loop's rate"
    for multiple, least in MIN_GOODPUT.items():
        share = results.goodput_share(OURS, model, multiple)
        goal = f"200s/s at {multiple:g}x at least {least:g} of the run's best"
        yield _at_least(work, goal, share, least, "{:.2f}")
    cases = [case for case in results.cases("overload") if case.overload]
    slowest = _worst(results, cases, P99)
    yield _at_most(work, "p99 of 200s at most 1 s", slowest, 1000.0, "{:,.0f} ms")
    refusal = _worst(results, cases, "refused_p50_ms")
    yield _at_most(work, "refusals at most 20 ms (median)", refusal, 20.0, "{:.1f} ms")
    counts = [results.total(OURS, case, value) for case in cases for value in ("others", "errors")]
    measured = [count for count in counts if count is not None]
    yield _at_most(work, "only 200 and 503", sum(measured) if measured else None, 0, "{:.0f} others")


def _start(results: Results) -> Iterator[Verdict]:
    work = "cold start and memory, whole zoo"
    ready = results.median(OURS, Scenario("start"), "ready_s")
    yield _at_most(work, "ready in at most 1.5 s", ready, 1.5, "{:.2f} s")
    together = results.median(OURS, Scenario("memory"), "together_mb")
    goal = "all processes at most 400 MB (PSS) after all load"
    yield _at_most(work, goal, together, 400.0, "{:.0f} MB")


def _ratios(
    results: Results, cases: Sequence[Scenario], server: str, value: str, theirs: Scenario | None = None
) -> list[float]:
    """Ours over theirs in each scenario, or over theirs in one; empty unless all were measured."""
    ratios = [results.ratio((OURS, case, value), (server, theirs or case, value)) for case in cases]
    measured = [ratio for ratio in ratios if ratio is not None]
    return measured if len(measured) == len(ratios) else []


def _worst(results: Results, cases: Sequence[Scenario], value: str) -> float | None:
    """The greatest of the medians."""
    medians = [results.median(OURS, case, value) for case in cases]
    return max((median for median in medians if median is not None), default=None)


def _each(work: str, goal: str, ratios: list[float], limit: float, at_least: bool = False) -> Verdict:
    """Whether every ratio keeps the limit; the figure lists them all."""
    figure = " and ".join(f"{ratio:.2f}" for ratio in ratios)
    if at_least:
        return _at_least(work, goal, min(ratios, default=None), limit, figure)
    return _at_most(work, goal, max(ratios, default=None), limit, figure)


def _at_least(work: str, goal: str, value: float | None, limit: float, figure: str) -> Verdict:
    """Whether the value is not below the limit; figure is a format string for it."""
    return Verdict(work, goal, *(("", None) if value is None else (figure.format(value), value >= limit)))


def _at_most(work: str, goal: str, value: float | None, limit: float, figure: str) -> Verdict:
    """Whether the value is not above the limit; figure is a format string for it."""
    return Verdict(work, goal, *(("", None) if value is None else (figure.format(value), value <= limit)))
